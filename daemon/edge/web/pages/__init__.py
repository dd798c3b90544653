"""Pages beside the live one: a scanner over the weeks, one series step by step."""
