//! Compiles the policy that comes with the output.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const POLICY: &str = "../policy/default.yaml";
    println!("cargo:rerun-if-changed={POLICY}");
    let text = std::fs::read_to_string(POLICY)?;
    let policy = flb_audit_policy::Policy::read(&text).map_err(|problem| format!("{POLICY}:{problem}"))?;
    let table = flb_audit_policy::compile(&policy).map_err(|problem| format!("{POLICY}:{problem}"))?;
    let out = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    std::fs::write(std::path::Path::new(&out).join("default.policy"), table)?;
    Ok(())
}
