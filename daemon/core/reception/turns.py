"""Whose series is judged next: scanners take turns, so that a busy one holds up none of the others.

Start-time fair queueing (Goyal, Vin and Cheng, IEEE/ACM Transactions on Networking 5(5), 1997), with series for
packets: each closed series gets a turn, the lowest goes first, and among equals whoever was closed first.
"""


def next_turn(foremost: int | None, own_last: int | None) -> int:
    """The turn of a scanner's series that closes now.

    One after the scanner's last, so that its own series keep their order; but not before the turn that the others have
    come to, or a scanner that had nothing for a while would have saved up turns.

    Args:
        foremost: The lowest turn of any series that has no verdict yet; None where there is none.
        own_last: The highest among those of the same scanner; None where there is none.
    """
    return max(foremost or 1, (own_last or 0) + 1)
