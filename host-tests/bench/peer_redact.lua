-- The peer that redacts as well: every string goes through the first RULES
-- patterns, by gsub; then peer.lua seals the record.
--
-- The bench sets RULES and PEER, which is the path of peer.lua. Lua's
-- patterns have neither alternatives nor repeated groups, so these find less
-- than the detectors do, and check nothing.

dofile(PEER)
local seal = audit

local PATTERNS = {
  { "AKIA[%u%d]+[,:;| ]+[%w/+]+", "[aws-secret-access-key]" },
  { "IQoJb3JpZ2luX2Vj[%w+/=_-]+", "[aws-session-token]" },
  { "FwoGZXIvYXdz[%w+/=_-]+", "[aws-session-token]" },
  { "gh[pousr]_%w+", "[github-token]" },
  { "github_pat_%w+_%w+", "[github-fine-grained-token]" },
  { "glpat%-[%w_-]+", "[gitlab-token]" },
  { "xox[abceoprs]%-[%w-]+", "[slack-token]" },
  { "xapp%-[%w-]+", "[slack-token]" },
  { "[sr]k_live_%w+", "[stripe-key]" },
  { "whsec_%w+", "[stripe-key]" },
  { "AIza[%w_-]+", "[google-key]" },
  { "ya29%.[%w_-]+", "[google-key]" },
  { "npm_%w+", "[npm-token]" },
  { "pypi%-Ag[%w_-]+", "[pypi-token]" },
  { "eyJ[%w_-]+%.[%w_-]+%.[%w_-]*", "[jwt]" },
  { "%-%-%-%-%-BEGIN [%u ]*PRIVATE KEY.*", "[private-key]" },
  { "[Aa]uthorization[\"']?[:=] *[^\r\n]+", "[authorization]" },
  { "[Bb]earer [%w._~+/-]+", "[credentials]" },
  { "[Bb]asic [%w+/]+=*", "[credentials]" },
  { "%a[%w+.-]*://[^%s/?#@:]*:[^%s/?#]+@", "[url-password]" },
  { "[Pp]assword[\"']?[:=] *[^%s&;,]+", "[password]" },
  { "%-%-password +%S+", "[password-option]" },
  { "[Ii][Dd][Ee][Nn][Tt][Ii][Ff][Ii][Ee][Dd] [Bb][Yy] '[^']*'", "[sql-password]" },
  { "[Tt]oken[\"']?[:=] *[%w._~+/-]+", "[keyed-secret]" },
  { "[Ss]ecret[\"']?[:=] *[%w._~+/-]+", "[keyed-secret]" },
  { "[%w._%%+-]+@[%w.-]+%.%a+", "[email]" },
  { "%f[%w]%d%d%d%d[ -]?%d%d%d%d[ -]?%d%d%d%d[ -]?%d%d%d%d%f[%W]", "[payment-card]" },
  { "%f[%w]%u%u%d%d%w%w%w%w%d%d%d%d%d%d%d%w*%f[%W]", "[iban]" },
  { "%f[%w]%d%d%d%-%d%d%-%d%d%d%d%f[%W]", "[us-ssn]" },
  { "%+%d[%d ().-]+%d", "[phone]" },
  { "%f[%w]%d+%.%d+%.%d+%.%d+%f[%W]", "[ipv4]" },
  { "%f[%w]%x%x:%x%x:%x%x:%x%x:%x%x:%x%x%f[%W]", "[mac]" },
}
assert(#PATTERNS >= RULES, "RULES is more than there are patterns here")

local function redact(value)
  if type(value) == "string" then
    for i = 1, RULES do
      value = value:gsub(PATTERNS[i][1], PATTERNS[i][2])
    end
  elseif type(value) == "table" then
    for key, inner in pairs(value) do
      value[key] = redact(inner)
    end
  end
  return value
end

function audit(tag, timestamp, record)
  return seal(tag, timestamp, redact(record))
end
