"""What goes out: reports to archives and folders, alerts to people; and a scanner, to try a receiver with."""
