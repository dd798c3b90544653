"""A large object in the spool: refused by its header without being read, judged only as it was received."""

import pytest
from builders.images.series import Lattice, enhanced, part10
from builders.judging.judging import ALGORITHM
from builders.peers.receiver import Receiver, storescu

from daemon.config import Settings
from daemon.core.errors import Reason
from daemon.core.values import Arrival, ClosedBy, Series
from daemon.dicom.reading.headers import read_instance
from daemon.edge.spool.reader import SpoolReader
from daemon.line.appraisal import Appraiser
from daemon.line.judgement import SeriesJudge
from daemon.routes import all_routes

LATTICE = Lattice(columns=256, rows=256, slices=40, spacing=(1.0, 1.0, 1.2))  # 5 MiB


def received(tmp_path, **facts):
    """An Enhanced MR object that came over the network: its spool, and its series."""
    image = enhanced(LATTICE)
    image.BodyPartExamined = "HEAD"
    for keyword, value in facts.items():
        setattr(image, keyword, value)
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / "0.dcm").write_bytes(part10(image))
    with Receiver(tmp_path / "spool") as receiver:
        assert 0 == storescu(receiver.port, "+sd", tmp_path / "sent").returncode
    spool = SpoolReader(tmp_path / "spool")
    (arrival,) = [event for event, _ in spool.follow() if isinstance(event, Arrival)]
    instance = read_instance(arrival, spool.dataset(arrival))
    series = Series(
        series_instance_uid=instance.series_instance_uid,
        study_instance_uid=instance.study_instance_uid,
        revision=1,
        instances=(instance,),
        closed_by=ClosedBy.RELEASE,
        closed_at=arrival.received_at + 1,
        partial=False,
    )
    return spool, series


def judged(series, open_dataset):
    return (
        SeriesJudge(Appraiser(pytest.fail, ALGORITHM, all_routes(Settings())), open_dataset, "here")
        .judge(series, None)
        .verdict
    )


class Watched:
    """A data set that counts what is read of it."""

    def __init__(self, content):
        self._content = content
        self.length, self.bytes = content.length, 0

    def read(self, offset, length):
        self.bytes += min(length, self.length - offset)
        return self._content.read(offset, length)

    def pieces(self):
        self.bytes += self.length
        return self._content.pieces()

    def check(self):
        self.bytes += self.length
        self._content.check()


def test_what_its_header_refuses_is_never_read_whole(tmp_path):
    spool, series = received(tmp_path, ProtocolName="localizer")
    contents = []

    def opened(arrival):
        contents.append(Watched(spool.dataset(arrival)))
        return contents[-1]

    verdict = judged(series, opened)

    assert ("no model for this series: a localizer",) == verdict.reasons
    assert sum(content.bytes for content in contents) < series.instances[0].arrival.length / 10


@pytest.mark.parametrize("where", [0.5, 0.9999])
def test_a_bit_that_flips_in_pixels_after_they_were_indexed_is_no_image(tmp_path, where):
    spool, series = received(tmp_path)
    arrival = series.instances[0].arrival
    with (tmp_path / "spool" / arrival.segment).open("r+b") as file:
        file.seek(arrival.offset + int(where * arrival.length))
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 4]))

    assert Reason.LOST is judged(series, spool.dataset).not_assessed


def test_a_segment_that_has_gone_is_no_image(tmp_path):
    spool, series = received(tmp_path)
    (tmp_path / "spool" / series.instances[0].arrival.segment).unlink()

    assert Reason.LOST is judged(series, spool.dataset).not_assessed
