"""What is owed to whom: reports and alerts, their settings and words."""
