"""What is known of alerts that are owed."""
