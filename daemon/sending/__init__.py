"""One turn at what is owed: deliver, ask to commit, alert, call service; what came back of it."""
