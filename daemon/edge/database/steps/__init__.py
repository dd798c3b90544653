"""What each step of the migrations changes, in their order; a step that was released never changes."""
