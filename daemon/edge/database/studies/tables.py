"""The tables of what closed series offer to be, and of who joined whom."""

import sqlalchemy as sa

from daemon.edge.database.schema import METADATA, Words

__all__ = ["METADATA", "members", "offers"]

offers = sa.Table(
    "offers",
    METADATA,
    sa.Column("series_instance_uid", Words, primary_key=True),
    sa.Column("bundle", Words, primary_key=True),  # by its configured name
    sa.Column("role", Words, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),  # the last in which images came
    sa.Column("study_instance_uid", Words, nullable=False),
    sa.Column("leads", sa.Boolean, nullable=False),
    sa.Column("every", sa.Boolean, nullable=False),
    sa.Column("partial", sa.Boolean, nullable=False),
    sa.Column("state", Words, nullable=False),  # its own verdict
    sa.Column("closed_at", sa.Float, nullable=False),
)
offers_index = sa.Index("offers_study", offers.c.study_instance_uid, offers.c.bundle)
members = sa.Table(
    "members",
    METADATA,
    sa.Column("series_instance_uid", Words, primary_key=True),  # the one that leads, by whose revision it is counted
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("role", Words, primary_key=True),
    sa.Column("member_series_uid", Words, primary_key=True),
    sa.Column("member_revision", sa.Integer, nullable=False),
)
