//! The application: what MAAS answers to a request that reached it.

use serde_json::{Value, json};

use super::auth::Auth;
use super::dialect::{Dialect, FILETYPES};
use super::machines::{self, Machine};
use super::message::{Request, Response, fields};
use super::store::{File, Resource, Store};
use crate::maas::oauth;

/// Path of the API.
const API: &str = "/MAAS/api/2.0/";
/// The key of the model's user: synthetic.
pub const KEY: [&str; 3] =
    ["modelconsumerkey01", "modeltokenkey00001", "modeltokensecretAbCdEfGh12345678"];

/// One MAAS.
pub struct App {
    /// What it keeps.
    pub store: Store,
    /// Who may ask.
    pub auth: Auth,
    /// Seconds its clock is ahead of the host's.
    pub clock: i64,
    /// What `version/` says.
    pub version: String,
    /// Its machines.
    pub machines: Vec<Machine>,
    /// Method and path of every request that reached it.
    pub log: Vec<String>,
}

type Fields = Vec<(String, String)>;

fn field(fields: &Fields, name: &str) -> Option<String> {
    fields.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone())
}

impl App {
    /// A fresh one with Ubuntu for amd64 synced.
    #[must_use]
    pub fn new(dialect: &'static Dialect) -> Self {
        let mut store = Store::new(dialect);
        let id = store.next_id();
        let synced = Resource {
            id,
            kind: "Synced",
            name: "ubuntu/noble".into(),
            architecture: "amd64/ga-24.04".into(),
            title: "24.04 LTS".into(),
            base_image: String::new(),
            sets: vec![],
        };
        store.resources.insert(id, synced);
        Self {
            store,
            auth: Auth::new(KEY),
            clock: 0,
            version: dialect.version.into(),
            machines: vec![],
            log: vec![],
        }
    }

    /// Answers.
    pub fn handle(&mut self, request: &Request) -> Response {
        self.log.push(format!("{} {}", request.method, request.path));
        let Some(rest) = request.path.strip_prefix(API).filter(|r| r.ends_with('/')) else {
            let text = format!("Unknown API endpoint: {}", request.path);
            return Response::text(404, text);
        };
        if rest == "version/" {
            let body = json!({ "capabilities": [], "version": self.version, "subversion": "" });
            return Response::json(200, &body);
        }
        let now = oauth::now().saturating_add(self.clock);
        if let Err(refusal) = self.auth.check(request.authorization.as_deref(), now) {
            return refusal;
        }
        self.route(request, rest)
    }

    fn route(&mut self, request: &Request, rest: &str) -> Response {
        let mut all = fields(&request.query);
        if request.method == "POST" {
            all.extend(fields(&String::from_utf8_lossy(&request.body)));
        }
        let (collection, rest) = rest.split_once('/').unwrap_or((rest, ""));
        match (request.method.as_str(), collection, rest) {
            ("GET", "users", "") => Response::json(
                200,
                &json!({ "username": "model", "is_superuser": self.auth.is_admin }),
            ),
            ("GET", "regioncontrollers", "") => {
                let one = |n| json!({ "system_id": format!("region{n}") });
                Response::json(200, &(0..self.store.regions).map(one).collect())
            }
            ("GET", "boot-resources", "") => self.list(&all),
            (_, "machines", rest) => {
                machines::answer(&mut self.machines, &request.method, rest, |n| field(&all, n))
            }
            ("GET", "boot-resources", id) => self.read(id),
            (_, "boot-resources", _) if !self.auth.is_admin => {
                Response::text(403, self.store.dialect.forbidden)
            }
            ("POST", "boot-resources", "") => self.create(&all).unwrap_or_else(|refusal| refusal),
            ("PUT", "boot-resources", rest) => self.upload(rest, request),
            ("DELETE", "boot-resources", id) => self.delete(id),
            _ => Response::text(405, "Method Not Allowed"),
        }
    }

    fn list(&self, fields: &Fields) -> Response {
        let kind = field(fields, "type");
        let wanted = |r: &&Resource| kind.as_ref().is_none_or(|k| r.kind.eq_ignore_ascii_case(k));
        let all = self.store.resources.values().filter(wanted);
        Response::json(200, &Value::Array(all.map(|r| self.store.summary(r)).collect()))
    }

    fn read(&mut self, id: &str) -> Response {
        let id = id.trim_end_matches('/').parse().unwrap_or(0);
        self.store
            .read(id)
            .map_or_else(|| Response::text(404, "Not Found"), |v| Response::json(200, &v))
    }

    fn delete(&mut self, id: &str) -> Response {
        let id = id.trim_end_matches('/').parse().unwrap_or(0);
        if self.store.remove(id) {
            return Response::text(204, "");
        }
        Response::text(500, "BootResource matching query does not exist.")
    }

    /// `ID/upload/FILE/`; the first number is not looked at.
    fn upload(&mut self, rest: &str, request: &Request) -> Response {
        let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        let [_, "upload", file] = parts.as_slice() else {
            return Response::text(404, "Not Found");
        };
        match request.content_type.as_str() {
            _ if !request.has_length => return Response::text(500, "no Content-Length"),
            "application/octet-stream" => {}
            "application/json" => return Response::text(400, "Bad Request"),
            _ => return Response::text(500, "number of GET/POST parameters exceeded"),
        }
        match self.store.append(file.parse().unwrap_or(0), &request.body) {
            Ok(()) => Response::text(200, "OK"),
            Err((status, text)) => Response::text(status, text),
        }
    }

    fn create(&mut self, fields: &Fields) -> Result<Response, Response> {
        let required = |name: &str| {
            field(fields, name)
                .filter(|v| !v.is_empty())
                .ok_or_else(|| Response::invalid(name, "This field is required."))
        };
        let name = self.name(&required("name")?)?;
        let architecture = self.architecture(&required("architecture")?)?;
        let sha256 = required("sha256")?;
        if sha256.len() != 64 {
            return Err(Response::invalid("sha256", "Ensure this value has 64 characters."));
        }
        let size = required("size")?
            .parse()
            .map_err(|_| Response::invalid("size", "Enter a whole number."))?;
        let filetype = field(fields, "filetype").unwrap_or_else(|| "tgz".into());
        let (_, filename, stored) =
            FILETYPES.iter().find(|(t, _, _)| *t == filetype).ok_or_else(|| {
                let text = format!(
                    "Select a valid choice. {filetype} is not one of the available choices."
                );
                Response::invalid("filetype", text)
            })?;
        let base_image = self.base_image(&name, field(fields, "base_image").as_deref())?;
        if self.store.contradicts(&sha256, size) {
            return Err(Response::text(
                400,
                "File already exists with sha256 that is of different size.",
            ));
        }
        let title = field(fields, "title").unwrap_or_default();
        let id = self.resource_id(&name, &architecture, &base_image);
        if let Some(resource) = self.store.resources.get_mut(&id) {
            resource.title = title;
        }
        let file = File {
            id: self.store.next_id(),
            filename,
            filetype: stored,
            sha256,
            size,
            recorded: 0,
            lag: 0,
        };
        let keep_old = field(fields, "keep_old").is_some_and(|v| v == "true");
        self.store.add_set(id, file, keep_old);
        Ok(self.store.json(id).map_or_else(|| Response::text(500, ""), |v| Response::json(201, &v)))
    }

    /// The same name and architecture is the same resource; its base image stays.
    fn resource_id(&mut self, name: &str, architecture: &str, base_image: &str) -> u64 {
        let known = self
            .store
            .resources
            .values()
            .find(|r| r.kind == "Uploaded" && r.name == name && r.architecture == architecture);
        if let Some(resource) = known {
            return resource.id;
        }
        let id = self.store.next_id();
        let resource = Resource {
            id,
            kind: "Uploaded",
            name: name.into(),
            architecture: architecture.into(),
            title: String::new(),
            base_image: base_image.into(),
            sets: vec![],
        };
        self.store.resources.insert(id, resource);
        id
    }

    /// The name as it is stored.
    fn name(&self, given: &str) -> Result<String, Response> {
        let dialect = self.store.dialect;
        let name = given.trim();
        let no = |text: String| Err(Response::invalid("name", text));
        if name.chars().count() > 255 {
            return no("Ensure this value has at most 255 characters.".into());
        }
        let parts: Vec<&str> = name.split('/').collect();
        let reserved = |name: &str| {
            let centos = name.strip_prefix("centos").is_some_and(|v| {
                (1..=2).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_digit())
            });
            let synced = self.store.resources.values().filter(|r| r.kind == "Synced");
            let taken = synced.flat_map(|r| std::iter::once(&*r.name).chain(r.name.split('/')));
            centos || dialect.systems.contains(&name) || taken.into_iter().any(|t| t == name)
        };
        match parts.as_slice() {
            [one] if reserved(one) => no(format!("{one} is a reserved name")),
            [_] => Ok(name.into()),
            [system, _] if !dialect.systems.contains(system) => no(format!(
                "Unsupport operating system {system}, supported operating systems: {:?}",
                dialect.systems
            )),
            [_, _] if reserved(name) => no(format!("{name} is a reserved name")),
            ["custom", rest] if dialect.strips_custom => Ok((*rest).into()),
            [_, _] => Ok(name.into()),
            _ => Err(Response::text(500, "too many values to unpack (expected 2)")),
        }
    }

    /// Usable: of an architecture that Ubuntu is synced for.
    fn architecture(&self, given: &str) -> Result<String, Response> {
        let synced = self.store.resources.values().filter(|r| r.kind == "Synced");
        let usable: Vec<String> = synced
            .filter_map(|r| r.architecture.split_once('/'))
            .map(|(arch, _)| format!("{arch}/generic"))
            .collect();
        if usable.iter().any(|u| u == given) {
            return Ok(given.into());
        }
        let text =
            format!("'{given}' is not a valid architecture.  It should be one of: {usable:?}");
        Err(Response::invalid("architecture", text))
    }

    /// Only custom names have one.
    fn base_image(&self, name: &str, given: Option<&str>) -> Result<String, Response> {
        if name.contains('/') && !name.starts_with("custom/") {
            return Ok(String::new());
        }
        let Some(given) = given.filter(|g| !g.is_empty()) else {
            return Ok("ubuntu/noble".into());
        };
        let no = |text: &str| Err(Response::invalid("base_image", text));
        let given = given.to_lowercase();
        let Some((system, series)) = given.split_once('/') else {
            return no("a base image must follow the format: <osystem>/<series>");
        };
        if !self.store.dialect.bases.contains(&system) {
            return no("custom images require a valid non-custom OS type base image");
        }
        if system == "ubuntu" && !["focal", "jammy", "noble"].contains(&series) {
            return no("please select a valid base image OS and version");
        }
        Ok(given)
    }
}
