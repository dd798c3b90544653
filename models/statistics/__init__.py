"""From maps and numbers to intervals, p-values and expected losses, of any organ; numpy only."""
