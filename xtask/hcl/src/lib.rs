//! Evaluates a Packer HCL2 template directory as Packer does.
