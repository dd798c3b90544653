"""The command for many series: a cohort, its table and its page."""
