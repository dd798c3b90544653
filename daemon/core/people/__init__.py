"""What people see, answer and may do: exams, cards, words, replay, roles."""
