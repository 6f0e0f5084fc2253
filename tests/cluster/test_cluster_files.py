"""The cluster files that ship, against the schemas of who reads them.

What cannot be had here: the custom resource definitions of KubeRay, and the clouds' own checks of an instance.
"""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.cli.main import exit_code
from search.cluster import Submission, pack, read_cluster_file
from search.errors import ClusterFileError, InputError
from tests.cluster.hosts import ROOT


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands set for Ray ends with the test: other tests of this process start clusters without a token."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")


FILES = ["cluster.yaml", "clusters/gcp.yaml", "clusters/on-premises.yaml"]


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_file_passes_rays_schema(name: str) -> None:
    cluster = read_cluster_file(ROOT / name)

    assert cluster.name == "xstilts"


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_cluster_asks_for_the_token_and_keeps_its_dashboard_on_loopback(name: str) -> None:
    config = read_cluster_file(ROOT / name).config

    starts = [config[f"{kind}_start_ray_commands"][-1] for kind in ("head", "worker")]
    assert all("RAY_AUTH_MODE=token" in start for start in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]
    assert config["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("right", "wrong"), [("upscaling_speed", "upscaling_sped"), ("ssh_user", "ssh_usr"), ("file_mounts", "file_mount")]
)
def test_a_mistyped_key_is_refused_with_its_name(name: str, right: str, wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text((ROOT / name).read_text().replace(f"{right}:", f"{wrong}:"))

    with pytest.raises(ClusterFileError, match=wrong):
        read_cluster_file(file)


def test_a_mistyped_key_of_the_local_provider_is_refused_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text((ROOT / "clusters/on-premises.yaml").read_text().replace("worker_ips:", "worker_ip:"))

    assert exit_code(["cluster", "status", "--file", str(file)]) == 2
    assert "'worker_ip'" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["head", "gpu"])
def test_an_aws_host_has_only_fields_that_ec2_takes(kind: str) -> None:
    import botocore.session
    from botocore.validate import validate_parameters

    ec2 = botocore.session.get_session().get_service_model("ec2")
    node = read_cluster_file(ROOT / "cluster.yaml").config["available_node_types"][kind]["node_config"]

    validate_parameters(node | {"MinCount": 1, "MaxCount": 1}, ec2.operation_model("RunInstances").input_shape)


def config_of(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return a cluster's configuration as Ray's autoscaler gets it: Ray fills in what each type of host has."""
    from moto import mock_aws
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    if name == "clusters/kuberay.yaml":
        cluster = next(iter(yaml.safe_load_all((ROOT / name).read_text())))
        cluster["metadata"]["namespace"] = "default"
        return _derive_autoscaling_config_from_ray_cr(cluster)
    config = read_cluster_file(ROOT / name).config
    if name == "clusters/gcp.yaml":
        return config  # on Google Cloud Ray fills in TPUs alone (GCPNodeProvider)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "testing")
    with mock_aws():  # EC2's own table of instance types is in it
        return AWSNodeProvider.fillout_available_node_types_resources(config)


@pytest.mark.parametrize(
    ("name", "gpu"),
    [
        ("cluster.yaml", {"CPU": 4, "GPU": 1, "accelerator_type:A10G": 1}),
        ("clusters/gcp.yaml", {"CPU": 8, "GPU": 1}),
        ("clusters/kuberay.yaml", {"CPU": 4, "GPU": 1}),
    ],
)
def test_trials_that_wait_for_gpus_start_hosts_that_have_them(
    name: str, gpu: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.autoscaler._private.node_provider_availability_tracker import NodeAvailabilitySummary
    from ray.autoscaler._private.resource_demand_scheduler import _default_utilization_scorer, get_nodes_for

    scorer = partial(_default_utilization_scorer, node_availability_summary=NodeAvailabilitySummary({}))
    config = config_of(name, monkeypatch)
    types, head = config["available_node_types"], config["head_node_type"]
    waiting = [{"CPU": 1, "GPU": 1}] * 3

    started, left = get_nodes_for(types, {head: 1}, head, config["max_workers"], waiting, scorer)

    assert {key: value for key, value in types["gpu"]["resources"].items() if key != "memory"} == gpu
    assert "GPU" not in types[head]["resources"]
    assert (started, left) == ({"gpu": 3}, [])


@pytest.mark.parametrize("name", ["cluster.yaml", "clusters/gcp.yaml"])
def test_a_cloud_host_joins_when_its_driver_answers(name: str) -> None:
    config = read_cluster_file(ROOT / name).config

    assert "nvidia-smi" in config["worker_setup_commands"][-1]
    assert not any("nvidia-smi" in command for command in config["head_start_ray_commands"])


def test_a_google_host_installs_its_driver_at_its_first_boot() -> None:
    worker = read_cluster_file(ROOT / "clusters/gcp.yaml").config["available_node_types"]["gpu"]["node_config"]

    assert worker["machineType"] == "g2-standard-8"  # an L4, which is what `resources` says
    assert {"key": "install-nvidia-driver", "value": "True"} in worker["metadata"]["items"]


def test_every_pod_has_more_shared_memory_than_a_container_has_by_itself() -> None:
    cluster = next(iter(yaml.safe_load_all((ROOT / "clusters/kuberay.yaml").read_text())))["spec"]

    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        pod = group["template"]["spec"]
        (volume,) = pod["volumes"]
        assert volume["emptyDir"]["medium"] == "Memory"
        assert pod["containers"][0]["volumeMounts"] == [{"name": volume["name"], "mountPath": "/dev/shm"}]  # noqa: S108


def test_the_kubernetes_cluster_takes_its_token_from_a_secret_and_can_shrink_to_nothing() -> None:
    cluster, job = yaml.safe_load_all((ROOT / "clusters/kuberay.yaml").read_text())

    assert (cluster["kind"], job["kind"]) == ("RayCluster", "RayJob")
    assert cluster["spec"]["authOptions"] == {"mode": "token", "secretName": "xstilts-token"}
    assert cluster["spec"]["workerGroupSpecs"][0]["minReplicas"] == 0
    assert job["spec"]["clusterSelector"]["ray.io/cluster"] == cluster["metadata"]["name"]


def test_the_slurm_script_is_a_shell_script() -> None:
    subprocess.run(["bash", "-n", str(ROOT / "clusters/slurm.sh")], check=True)


def test_a_record_with_a_password_is_not_submitted(tmp_path: Path) -> None:
    submission = Submission(spec="demo", name="demo", record="postgresql+psycopg://user:hidden@host/db")

    with pytest.raises(InputError, match="password") as caught:
        pack(submission, folder=tmp_path)
    assert "hidden" not in str(caught.value)


def test_the_spec_and_its_task_files_are_sent_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sent").mkdir()
    spec = tmp_path / "mine" / "spec.yaml"
    spec.parent.mkdir()
    spec.write_text("tasks: [own.yaml]\n")
    (spec.parent / "own.yaml").write_text("name: own\n")
    (spec.parent / "store").mkdir()

    assert pack(Submission(spec=str(spec), name="mine"), folder=tmp_path / "sent") == "spec.yaml"
    assert sorted(path.name for path in (tmp_path / "sent").iterdir()) == ["own.yaml", "spec.yaml"]


def test_a_task_file_outside_the_specs_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sent").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "secret.yaml").write_text("name: secret\n")
    spec = tmp_path / "mine" / "spec.yaml"
    spec.write_text("tasks: [../secret.yaml]\n")

    with pytest.raises(InputError, match="outside"):
        pack(Submission(spec=str(spec), name="mine"), folder=tmp_path / "sent")
    assert list((tmp_path / "sent").glob("*secret*")) == []
