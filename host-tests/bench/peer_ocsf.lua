-- The peer that normalizes as well: the mapping in
-- plugin/policy/formats/kubernetes-audit/ocsf.yaml, by hand. Then peer.lua
-- seals the event.
--
-- The bench sets SEALER, which is the path of peer.lua.

dofile(SEALER)
local seal = audit

local ACTIVITIES = {
  create = 1, get = 2, list = 2, watch = 2, head = 2, update = 3, patch = 3, delete = 4, deletecollection = 4,
}
local SUBRESOURCES = {
  pods = {
    exec = "pods/exec", attach = "pods/attach", portforward = "pods/portforward", proxy = "pods/proxy",
    log = "pods/log", eviction = "pods/eviction", ephemeralcontainers = "pods/ephemeralcontainers",
    binding = "pods/binding", status = "pods/status",
  },
  serviceaccounts = { token = "serviceaccounts/token" },
  nodes = { proxy = "nodes/proxy", status = "nodes/status" },
}

-- Milliseconds since 1970 of a date in UTC, as Kubernetes writes it.
local function millis(text)
  local year, month, day, hour, minute, second, fraction =
    text:match("^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)%.?(%d*)Z$")
  if not year then return nil end
  year, month = tonumber(year), tonumber(month)
  if month > 2 then month = month - 3 else year, month = year - 1, month + 9 end
  local days = 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
    + math.floor((153 * month + 2) / 5) + day - 1 - 719468
  local seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
  return seconds * 1000 + tonumber((fraction .. "000"):sub(1, 3))
end

local function is_ip(text)
  return text:find("^%d+%.%d+%.%d+%.%d+$") or (text:find("^[%x:.]+$") and text:find(":", 1, true))
end

-- Takes a member out of an object, and the object with its last one.
local function take(within, name, key)
  local object = within[name]
  if type(object) ~= "table" then return nil end
  local value = object[key]
  if value ~= nil then
    object[key] = nil
    if next(object) == nil then within[name] = nil end
  end
  return value
end

local function pull(record, key)
  local value = record[key]
  record[key] = nil
  return value
end

-- The object, or nil if it has no members.
local function filled(object)
  if next(object) ~= nil then return object end
end

-- A member of an object's metadata.
local function inner(record, object, key)
  local value = record[object]
  return type(value) == "table" and type(value.metadata) == "table" and value.metadata[key] or nil
end

local function metadata(record, uid)
  local original
  for _, key in ipairs({ "requestReceivedTimestamp", "timestamp", "stageTimestamp" }) do
    original = record[key]
    if original then
      record[key] = nil
      break
    end
  end
  return {
    product = { name = "Kubernetes", vendor_name = "Kubernetes" },
    version = "1.9.0",
    uid = uid,
    log_level = pull(record, "level"),
    log_version = pull(record, "apiVersion"),
    original_time = original,
  }
end

local function actor(record)
  local of, groups = record.user or {}, nil
  if type(of.groups) == "table" and #of.groups > 0 then
    groups = {}
    for i = 1, #of.groups do groups[i] = { name = of.groups[i] } end
    take(record, "user", "groups")
  end
  local name, uid = take(record, "user", "username"), take(record, "user", "uid")
  local app
  if not name and not uid then app = "unknown" end
  if not name and not uid and groups then uid = "unknown" end
  local kind
  if name == "system:anonymous" then kind = 0
  elseif name and name:sub(1, 22) == "system:serviceaccount:" then kind = 4
  elseif name and name:sub(1, 7) == "system:" then kind = 3
  elseif name then kind = 1 end
  local decision = take(record, "annotations", "authorization.k8s.io/decision")
  return filled({
    app_name = app,
    authorizations = decision and { { decision = decision } },
    user = filled({ groups = groups, name = name, type_id = kind, uid = uid and tostring(uid) }),
  })
end

local function source(record)
  local ips = record.sourceIPs
  if type(ips) ~= "table" or not ips[1] then return { name = "unknown" } end
  local endpoint = {}
  if is_ip(ips[1]) then endpoint.ip = ips[1] else endpoint.name = ips[1] end
  for i = 2, math.min(3, #ips) do
    if is_ip(ips[i]) then
      endpoint.intermediate_ips = endpoint.intermediate_ips or {}
      table.insert(endpoint.intermediate_ips, ips[i])
    end
  end
  if #ips < 4 then record.sourceIPs = nil end
  return endpoint
end

local function resource(record, uri, path)
  local object = type(record.objectRef) == "table" and record.objectRef or {}
  local within = object.resource
  local kind = (SUBRESOURCES[within or ""] or {})[object.subresource or ""]
  if not kind and uri then kind = take(record, "objectRef", "resource") end
  local name = take(record, "objectRef", "name")
    or inner(record, "requestObject", "name") or inner(record, "responseObject", "name")
  local uid = take(record, "objectRef", "uid") or inner(record, "responseObject", "uid")
  if not uid and within and not name then uid = path end
  local namespace
  if uri then namespace = take(record, "objectRef", "namespace") end
  return filled({ name = name, namespace = namespace, type = kind, uid = uid })
end

local function status(code, text)
  if code and code >= 100 and code < 400 then return 1 end
  if code and code >= 400 and code < 600 then return 2 end
  return ({ Success = 1, Failure = 2 })[text] or 0
end

local function event(timestamp, record)
  local uri, verb, uid = pull(record, "requestURI"), pull(record, "verb"), pull(record, "auditID")
  local path, query
  if uri then
    path, query = uri:match("^(.-)%?(.*)$")
    path = path or uri
  end
  local time = record.requestReceivedTimestamp or record.timestamp or record.stageTimestamp
  local activity = verb and (ACTIVITIES[verb] or 99) or 0
  local responded = type(record.responseStatus) == "table" and record.responseStatus.status or nil
  local resources = resource(record, uri, path)
  local code = take(record, "responseStatus", "code")
  local made = {
    activity_id = activity,
    activity_name = activity == 99 and verb or nil,
    category_uid = 6,
    class_uid = 6003,
    severity_id = 1,
    type_uid = 600300 + activity,
    time = time and millis(time) or math.floor(timestamp * 1000),
    status_id = status(code, responded),
    metadata = metadata(record, uid),
    actor = actor(record),
    src_endpoint = source(record),
    resources = resources and { resources },
    http_request = filled({
      user_agent = pull(record, "userAgent"),
      url = uri and filled({ path = path, query_string = query }),
    }),
    api = {
      operation = verb or "unknown",
      version = take(record, "objectRef", "apiVersion"),
      group = filled({ name = take(record, "objectRef", "apiGroup") }),
      request = { uid = uid or "unknown", data = pull(record, "requestObject") },
      response = filled({
        code = code,
        message = take(record, "responseStatus", "message"),
        error = take(record, "responseStatus", "reason"),
        data = pull(record, "responseObject"),
      }),
    },
  }
  made.unmapped = filled(record)
  return made
end

function audit(tag, timestamp, record)
  return seal(tag, timestamp, event(timestamp, record))
end
