-- What the sealing filter is measured against: the Lua filter that does the
-- same work, sorted keys and a SHA-256 chain (FIPS 180-4), on LuaJIT.

local bit = require("bit")
local band, bnot, bxor, bor = bit.band, bit.bnot, bit.bxor, bit.bor
local ror, shr, shl, tobit, tohex = bit.ror, bit.rshift, bit.lshift, bit.tobit, bit.tohex

-- The first 32 bits of the fractional parts of the roots of the first primes.
local function roots(count, power)
  local found, candidate = {}, 2
  while #found < count do
    local is_prime = true
    for divisor = 2, math.floor(math.sqrt(candidate)) do
      if candidate % divisor == 0 then is_prime = false break end
    end
    if is_prime then
      local root = candidate ^ power
      found[#found + 1] = tobit(math.floor((root - math.floor(root)) * 4294967296))
    end
    candidate = candidate + 1
  end
  return found
end

local K, INITIAL = roots(64, 1 / 3), roots(8, 1 / 2)
local W = {}

local function block(state, text, at)
  for i = 0, 15 do
    local a, b, c, d = text:byte(at + 4 * i, at + 4 * i + 3)
    W[i + 1] = bor(shl(a, 24), shl(b, 16), shl(c, 8), d)
  end
  for i = 17, 64 do
    local x, y = W[i - 15], W[i - 2]
    local s0 = bxor(ror(x, 7), ror(x, 18), shr(x, 3))
    local s1 = bxor(ror(y, 17), ror(y, 19), shr(y, 10))
    W[i] = tobit(W[i - 16] + s0 + W[i - 7] + s1)
  end
  local a, b, c, d, e, f, g, h = state[1], state[2], state[3], state[4], state[5], state[6], state[7], state[8]
  for i = 1, 64 do
    local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
    local t1 = tobit(h + s1 + bxor(band(e, f), band(bnot(e), g)) + K[i] + W[i])
    local s0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
    local t2 = tobit(s0 + bxor(band(a, b), band(a, c), band(b, c)))
    h, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
  end
  state[1], state[2], state[3], state[4] = tobit(state[1] + a), tobit(state[2] + b), tobit(state[3] + c), tobit(state[4] + d)
  state[5], state[6], state[7], state[8] = tobit(state[5] + e), tobit(state[6] + f), tobit(state[7] + g), tobit(state[8] + h)
end

local function sha256(text)
  local bits = #text * 8
  local padding = (55 - #text) % 64
  text = text .. "\128" .. ("\0"):rep(padding) .. "\0\0\0\0"
    .. string.char(band(shr(bits, 24), 255), band(shr(bits, 16), 255), band(shr(bits, 8), 255), band(bits, 255))
  local state = { unpack(INITIAL) }
  for at = 1, #text, 64 do block(state, text, at) end
  for i = 1, 8 do state[i] = tohex(state[i]) end
  return table.concat(state)
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
local function escape(character)
  return ESCAPES[character] or string.format("\\u%04x", character:byte())
end

local out, len
local function put(text)
  len = len + 1
  out[len] = text
end

local function write(value)
  local kind = type(value)
  if kind == "string" then
    put('"' .. value:gsub('[%c"\\]', escape) .. '"')
  elseif kind == "table" then
    if #value > 0 then
      for i = 1, #value do
        put(i == 1 and "[" or ",")
        write(value[i])
      end
      put("]")
    else
      local keys = {}
      for key in pairs(value) do keys[#keys + 1] = key end
      table.sort(keys)
      for i = 1, #keys do
        put(i == 1 and "{" or ",")
        write(keys[i])
        put(":")
        write(value[keys[i]])
      end
      put(#keys == 0 and "{}" or "}")
    end
  else
    put(tostring(value))
  end
end

local head, sequence = ("0"):rep(64), 0

function audit(tag, timestamp, record)
  out, len = {}, 0
  write(record)
  local previous = head
  local leaf = sha256("leaf" .. tag .. timestamp .. sequence .. table.concat(out, "", 1, len))
  head = sha256("head" .. previous .. leaf)
  record.audit = { seq = sequence, tag = tag, prev = previous, head = head }
  sequence = sequence + 1
  return 2, timestamp, record
end
