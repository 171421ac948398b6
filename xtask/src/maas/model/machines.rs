//! Machines of the model: enough to allocate, deploy and release one.

use serde_json::{Value, json};

use super::message::Response;

/// One machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// `abc123`.
    pub id: String,
    /// Tag to allocate it by.
    pub tag: String,
    /// `Ready`, `Allocated`, `Deploying`, `Deployed`, `Failed deployment`.
    pub status: &'static str,
    /// Reads until a deployment has ended.
    pub reads_left: u32,
    /// How it ends.
    pub outcome: &'static str,
    /// Address once deployed.
    pub address: String,
    /// What was deployed: system and release.
    pub deployed: Option<(String, String)>,
}

impl Machine {
    /// One that is ready.
    #[must_use]
    pub fn ready(id: &str, tag: &str) -> Self {
        Self {
            id: id.into(),
            tag: tag.into(),
            status: "Ready",
            reads_left: 3,
            outcome: "Deployed",
            address: "127.0.0.1".into(),
            deployed: None,
        }
    }

    fn json(&self) -> Value {
        let addresses: &[&str] = if self.status == "Deployed" { &[&self.address] } else { &[] };
        json!({
            "system_id": self.id,
            "hostname": format!("host-{}", self.id),
            "architecture": "amd64/generic",
            "status_name": self.status,
            "status_message": self.status,
            "ip_addresses": addresses,
            "tag_names": [self.tag],
        })
    }

    /// Reads it; a deployment goes on with each read.
    fn read(&mut self) -> Response {
        if self.status == "Deploying" {
            self.reads_left = self.reads_left.saturating_sub(1);
            if self.reads_left == 0 {
                self.status = self.outcome;
            }
        }
        Response::json(200, &self.json())
    }

    fn operate(&mut self, op: &str, field: impl Fn(&str) -> Option<String>) -> Response {
        match (op, self.status) {
            ("deploy", "Allocated") => {
                self.deployed = field("osystem").zip(field("distro_series"));
                self.status = "Deploying";
            }
            ("release", "Allocated" | "Deploying" | "Deployed" | "Failed deployment") => {
                self.status = "Ready";
            }
            _ => return Response::text(409, format!("cannot {op}: it is {}", self.status)),
        }
        Response::json(200, &self.json())
    }
}

/// Answers a request below `machines/`; `rest` is what follows.
pub fn answer(
    machines: &mut [Machine],
    method: &str,
    rest: &str,
    field: impl Fn(&str) -> Option<String>,
) -> Response {
    let op = field("op").unwrap_or_default();
    let id = rest.trim_end_matches('/');
    match (method, id, op.as_str()) {
        ("GET", "", _) => {
            let wanted = field("status");
            let all = machines
                .iter()
                .filter(|m| wanted.as_ref().is_none_or(|w| m.status.eq_ignore_ascii_case(w)));
            Response::json(200, &Value::Array(all.map(Machine::json).collect()))
        }
        ("POST", "", "allocate") => {
            let tags = field("tags");
            let fits =
                |m: &&mut Machine| m.status == "Ready" && tags.as_ref().is_none_or(|t| *t == m.tag);
            match machines.iter_mut().find(fits) {
                Some(machine) => {
                    machine.status = "Allocated";
                    Response::json(200, &machine.json())
                }
                None => Response::text(409, "No available machine matches constraints"),
            }
        }
        _ => match machines.iter_mut().find(|m| m.id == id) {
            None => Response::text(404, "Not Found"),
            Some(machine) if method == "GET" => machine.read(),
            Some(machine) => machine.operate(&op, field),
        },
    }
}
