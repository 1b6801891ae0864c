//! The bill of materials: CycloneDX 1.5, as JSON.

use super::third_party::{Crate, Id, ThirdParty};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Describes the released files and the crates in them.
pub(super) fn document(third_party: &ThirdParty, epoch: u64) -> Result<String> {
    let version = third_party.version()?;
    let us = format!("pkg:cargo/flb-audit@{version}");
    let mut dependencies = vec![depends(&us, &third_party.needed_by_us)];
    dependencies.extend(third_party.crates.iter().map(|(id, it)| depends(&purl(id), &it.needs)));
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": timestamp(epoch),
            "component": {
                "type": "application",
                "bom-ref": us,
                "name": "flb-audit",
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
                "purl": us,
            },
        },
        "components": third_party.crates.iter().map(|(id, it)| component(id, it)).collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn component(id: &Id, it: &Crate) -> Value {
    let purl = purl(id);
    let mut component = json!({
        "type": "library",
        "bom-ref": purl,
        "name": it.name,
        "version": it.version,
        // Some crates still write `/` for `OR`.
        "licenses": [{"expression": it.licence.replace('/', " OR ")}],
        "purl": purl,
    });
    if let Some(checksum) = &it.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    component
}

fn depends(on: &str, needs: &BTreeSet<Id>) -> Value {
    json!({"ref": on, "dependsOn": needs.iter().map(purl).collect::<Vec<_>>()})
}

fn purl((name, version): &Id) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// Writes a time as RFC 3339 does.
pub(super) fn timestamp(epoch: u64) -> String {
    let (year, month, day) = date(epoch);
    let second = epoch % 86_400;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Returns a time's year, month and day, in UTC.
pub(super) fn date(epoch: u64) -> (u64, u64, u64) {
    // Years begin in March here, so that a leap day is the last day of its year.
    let days = epoch / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};
    use xtask::root;

    /// Checks a document by CycloneDX's schema, and the references in it.
    const CHECK: &str = r#"
import json, sys
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = sys.stdin.read()
error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
if error:
    sys.exit(str(error))
bom = Bom.from_json(json.loads(text))
bom.validate()
print(len(bom.components))
"#;

    fn check(document: &str) -> Result<(bool, String)> {
        let mut command = Command::new(root().join("target/cyclonedx/bin/python"));
        command.args(["-c", CHECK]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().expect("it is a pipe").write_all(document.as_bytes())?;
        let output = child.wait_with_output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    #[test]
    fn the_document_is_valid_by_the_schema_and_has_no_loose_ends() -> Result<()> {
        if !root().join("target/cyclonedx/bin/python").exists() {
            println!("skipped: CycloneDX's validator is not in target/cyclonedx; .ci/run installs it");
            return Ok(());
        }
        let third_party = ThirdParty::read()?;
        let document = document(&third_party, 0)?;
        let (is_valid, said) = check(&document)?;
        assert!(is_valid, "{said}");
        assert_eq!(said.trim(), third_party.crates.len().to_string());
        for (good, bad) in [("\"library\"", "\"libary\""), ("\"ref\": \"pkg:cargo/adler2", "\"ref\": \"no")] {
            assert!(document.contains(good));
            let (is_valid, said) = check(&document.replace(good, bad))?;
            assert!(!is_valid, "{bad}: {said}");
        }
        Ok(())
    }

    #[test]
    fn times_are_written_in_utc() {
        for (epoch, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_869_564, "2026-11-28T12:39:24Z"),
        ] {
            assert_eq!(timestamp(epoch), text);
        }
    }
}
