"""One publish on S3, as moto plays it: shards, records and images behind the same words as on a disk."""

import uuid

import numpy as np
import pytest
import zarr
from contracts.publishing import digest, grid_of, image, restored, source

from tasks.publish import publish_input
from tasks.stores.leases import Overtaken, locked
from tasks.stores.place import Place
from tasks.stores.showing import published_key


@pytest.fixture
def bucket(monkeypatch):
    """A place in a bucket of a server in this process."""
    pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    import fsspec
    import s3fs

    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"archive-{uuid.uuid4().hex}"
    fsspec.filesystem("s3").mkdir(name)
    yield Place(f"s3://{name}/out/liver")
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_what_another_process_writes_is_listed_at_once(bucket):
    import s3fs

    bucket.write("lots/0.parquet", b"")
    assert bucket.names("lots") == ["0.parquet"]
    s3fs.S3FileSystem(skip_instance_cache=True).pipe_file(f"{bucket.uri}/lots/1.parquet", b"")
    assert bucket.names("lots") == ["0.parquet", "1.parquet"]
    assert bucket.exists("lots/1.parquet")


def test_what_is_there_is_not_written_anew(bucket):
    assert bucket.write_new("lease", b"first")
    assert not bucket.write_new("lease", b"second")
    assert bucket.read("lease") == b"first"
    with locked(bucket) as lease:
        lease.require()
    with locked(bucket) as later:
        assert later.number == lease.number + 1
        with pytest.raises(Overtaken):
            lease.require()


def test_publishing_to_s3(bucket, tmp_path):
    opened = source(image((3, 70, 90), "uint16"), ("c", "y", "x"))
    bucket.require_writable()
    job = restored(opened, grid_of(opened), bucket, name="plate 3/B07")
    done = publish_input(job)
    assert done.bytes_written > 0
    found = zarr.open_array((bucket / "plate 3/B07.zarr").store(), path="0", mode="r")
    np.testing.assert_array_equal(found[:], opened.values)
    assert published_key(bucket, "plate 3/B07") == "key"
    here = Place(str(tmp_path))
    publish_input(restored(opened, grid_of(opened), here, name="plate 3/B07"))
    assert digest(bucket, "plate 3/B07") == digest(here, "plate 3/B07")
    again = restored(opened, grid_of(opened), bucket, 1.0, name="plate 3/B07", key="other")
    publish_input(again)
    assert published_key(bucket, "plate 3/B07") == "other"
    bucket.remove("plate 3")
    assert bucket.names("plate 3") == []
    assert bucket.exists(".work")
