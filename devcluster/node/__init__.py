"""The one-node cluster and the control plane without a node: their programs, keys, network and files."""
