"""Who may see and answer: users, their sessions, and the trail of what people did."""
