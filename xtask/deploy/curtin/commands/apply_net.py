"""Network configuration, passed through to the target's cloud-init."""

from curtin import config, missing, util
from curtin.log import LOG
from curtin.paths import target_path

PASSED = "/etc/cloud/cloud.cfg.d/50-curtin-networking.cfg"


def apply_net(target, network_state=None, network_config=None):
    """Hand the configuration to a cloud-init that renders version 2 itself."""
    if not network_config:
        raise ValueError("a network_config is needed")
    given = config.load_config(network_config)
    with util.ChrootableTarget(target) as chroot:
        try:
            features, _ = chroot.subp(["cloud-init", "features"], capture=True)
        except util.ProcessExecutionError as error:
            LOG.warning("cannot ask the target's cloud-init for its features: %s", error)
            features = ""
    if "NETWORK_CONFIG_V2" not in features.split():
        raise missing("commands.apply_net", "rendering for a cloud-init without NETWORK_CONFIG_V2")
    util.write_file(target_path(target, PASSED), config.dump_config(given))


def __getattr__(name):
    raise missing("commands.apply_net", name)
