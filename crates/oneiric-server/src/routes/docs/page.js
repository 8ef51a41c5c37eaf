"use strict";

// An element with text or children; text is never read as HTML.
function make(tag, className, ...inside) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...inside);
  return element;
}

// The schema that a reference means.
function meant(schema, all) {
  const name = schema && schema.$ref && schema.$ref.split("/").pop();
  return name ? { name, schema: all[name] || {} } : { name: null, schema: schema || {} };
}

// A schema as lines that look like the JSON that it is about.
function shape(schema, all, depth, seen) {
  const found = meant(schema, all);
  const pad = "  ".repeat(depth);
  const said = found.schema;
  if (said === true || Object.keys(said).length === 0) return "any";
  if (found.name && (seen.includes(found.name) || depth > 5)) return found.name;
  const inner = found.name ? seen.concat(found.name) : seen;
  const alternatives = said.anyOf || said.oneOf;
  if (alternatives) return alternatives.map((one) => shape(one, all, depth, inner)).join(" | ");
  if (said.allOf) return said.allOf.map((one) => shape(one, all, depth, inner)).join(" & ");
  if (said.enum) return said.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (said.const !== undefined) return JSON.stringify(said.const);
  const types = [].concat(said.type || (said.properties ? "object" : "any"));
  return types.map((type) => {
    if (type === "array") return "[" + shape(said.items, all, depth, inner) + "]";
    if (type !== "object") return type;
    const lines = Object.entries(said.properties || {}).map(([name, field]) => {
      const optional = (said.required || []).includes(name) ? "" : "?";
      const about = meant(field, all).schema.description && field.description;
      const note = about ? "  // " + about.split("\n")[0] : "";
      return pad + "  " + name + optional + ": " + shape(field, all, depth + 1, inner) + note;
    });
    const rest = said.additionalProperties;
    if (rest && rest !== false) lines.push(pad + "  <name>: " + shape(rest, all, depth + 1, inner));
    return lines.length ? "{\n" + lines.join("\n") + "\n" + pad + "}" : "{}";
  }).join(" | ");
}

function content(of, all) {
  return Object.entries((of && of.content) || {}).map(([kind, { schema }]) =>
    make("pre", "", kind === "application/json" ? shape(schema, all, 0, []) : kind));
}

function route(path, method, said, all) {
  const summary = make("summary", "",
    make("span", "method " + method, method.toUpperCase()),
    make("code", "path", path),
    make("span", "what", said.summary),
    make("span", "access", said["x-access"]));
  const body = make("div", "body");
  if (said.parameters) {
    const rows = said.parameters.map((one) => make("tr", "",
      make("td", "", make("code", "", one.name)),
      make("td", "faint", one.in + (one.required ? "" : ", optional")),
      make("td", "", one.description || "")));
    body.append(make("h3", "", "Parameters"), make("table", "", ...rows));
  }
  if (said.requestBody) {
    const word = said.requestBody.required ? "Body" : "Body (optional)";
    body.append(make("h3", "", word), ...content(said.requestBody, all));
  }
  for (const [status, answer] of Object.entries(said.responses)) {
    const code = status === "default" ? "otherwise" : status;
    body.append(make("h3", "", code + " ", make("span", "faint", answer.description)), ...content(answer, all));
  }
  const details = make("details", "", summary, body);
  details.id = said.operationId;
  details.dataset.text = (method + " " + path + " " + said.summary).toLowerCase();
  return details;
}

function show(api) {
  const families = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, said] of Object.entries(methods)) {
      const family = families.get(said.tags[0]) || [];
      family.push(route(path, method, said, api.components.schemas));
      families.set(said.tags[0], family);
    }
  }
  const sections = [...families].map(([name, routes]) => make("section", "", make("h2", "", name), ...routes));
  document.getElementById("version").textContent = api.info.version;
  document.getElementById("about").textContent = api.info.description;
  const main = document.getElementById("routes");
  main.replaceChildren(...sections);
  main.removeAttribute("aria-busy");
  document.getElementById("search").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const section of sections) {
      const routes = [...section.querySelectorAll("details")];
      routes.forEach((one) => { one.hidden = !one.dataset.text.includes(wanted); });
      section.hidden = routes.every((one) => one.hidden);
    }
  });
  const named = document.getElementById(location.hash.slice(1));
  if (named) { named.open = true; named.scrollIntoView(); }
}

fetch("/openapi.json")
  .then((answer) => answer.ok ? answer.json() : Promise.reject(new Error("it answered " + answer.status)))
  .then(show)
  .catch((error) => {
    document.getElementById("routes").replaceChildren(
      make("p", "", "The document could not be read: " + error.message));
  });
