//! Functions that ask a service: here they are errors by name.

use super::args::{Outcome, string};
use crate::function::{Function, FunctionError, Kind, Param, Returns};

pub(super) static AWS_SECRETSMANAGER: Function =
    service("aws_secretsmanager", &[string("name"), string("key").nullable()], |_, _, _| {
        unsupported("AWS Secrets Manager")
    });

pub(super) static AWS_SECRETSMANAGER_RAW: Function =
    service("aws_secretsmanager_raw", &[string("name")], |_, _, _| {
        unsupported("AWS Secrets Manager")
    });

pub(super) static CONSUL_KEY: Function =
    service("consul_key", &[string("key")], |_, _, _| unsupported("Consul"));

pub(super) static VAULT: Function =
    service("vault", &[string("path"), string("key")], |_, _, _| unsupported("Vault"));

const fn service(
    name: &'static str,
    params: &'static [Param],
    body: crate::function::Body,
) -> Function {
    Function {
        name,
        params,
        variadic: None,
        returns: Returns::Always(Kind::String),
        not_null: false,
        body,
    }
}

/// Evaluation is offline, and a secret has no place in a plan.
fn unsupported(service: &str) -> Outcome {
    Err(FunctionError::new(format!(
        "it asks {service}, which only Packer itself can do: build with `--engine packer`, or pass the value as a variable"
    )))
}
