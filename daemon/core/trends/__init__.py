"""What a scanner's measures do over weeks: drift, quality, calls for service."""
