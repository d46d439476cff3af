/**
 * A store of keys and the steps on it, as one Lua script that carries out many operations in a call.
 *
 * It says in Redis what `KvMachine` says: the property test runs both side by side.
 *
 * KEYS, all in one slot:
 * 1. a hash: `revision`, the last one, and `lease`, the number of the last lease;
 * 2. a hash of the entries, each `<created> <revision> <lease>\n<value>`;
 * 3. a zset of the keys, all at score 0: their order;
 * 4. a zset of the leases at their deadlines, in microseconds; the lease of a key that has a ttl begins with `t`;
 * 5. a zset of `<lease>\0<key>` at score 0: what is bound to what;
 * 6. a stream with one entry a revision, `<revision>-0`: its field is the revision before it, its value the packed changes,
 *    `key, entry` for each, and "" for the entry of a key that was deleted.
 *
 * ARGV: how many revisions to keep, the channel, then the operations as `kvScript` writes them. Answers in how many
 * milliseconds the next lease ends (-1: there is none), then one answer an operation.
 *
 * `sharded`: for the node of a cluster, which publishes in the slot of the keys.
 *
 * The invariants: a revision is above all before it, also when the newest are lost with a failover or all with the data,
 * because it is no less than the time in microseconds; and an entry of the stream follows the revision that it names and no other.
 */
export const kvLua = (time: string, sharded: boolean): string => `
local META, ENTRIES, ORDER, LEASES, BOUND, LOG = unpack(KEYS)
local kept, channel, at = ARGV[1], ARGV[2], 2
${time}
local number = function(n) return string.format("%.0f", n) end
local arg = function()
  at = at + 1
  return ARGV[at]
end

local rev = tonumber(redis.call("HGET", META, "revision"))
if not rev then
  rev = micros
  redis.call("HSET", META, "revision", number(rev))
end
local began, touched = rev, {}

local function following() return math.max(rev + 1, micros) end

local function record(changes)
  if #changes == 0 then return end
  local before = number(rev)
  rev = following()
  redis.call("HSET", META, "revision", number(rev))
  redis.call("XADD", LOG, "MAXLEN", "~", kept, number(rev) .. "-0", before, cmsgpack.pack(changes))
  for i = 1, #changes, 2 do touched[#touched + 1] = changes[i] end
end

local function issue(kind, ttl)
  local last = math.max((tonumber(redis.call("HGET", META, "lease")) or 0) + 1, micros)
  local id = kind .. number(last)
  redis.call("HSET", META, "lease", number(last))
  redis.call("ZADD", LEASES, number(micros + ttl * 1000), id)
  return id
end

local function finish(id)
  if redis.call("ZREM", LEASES, id) == 0 then return end
  local first, last, changes = "[" .. id .. "\\0", "(" .. id .. "\\1", {}
  for _, bound in ipairs(redis.call("ZRANGEBYLEX", BOUND, first, last)) do
    local key = string.sub(bound, #id + 2)
    redis.call("HDEL", ENTRIES, key)
    redis.call("ZREM", ORDER, key)
    changes[#changes + 1] = key
    changes[#changes + 1] = ""
  end
  redis.call("ZREMRANGEBYLEX", BOUND, first, last)
  record(changes)
end

local function soonest()
  return tonumber(redis.call("ZRANGE", LEASES, 0, 0, "WITHSCORES")[2]) or math.huge
end

local function reap()
  local over = redis.call("ZRANGEBYSCORE", LEASES, "-inf", number(micros))
  local age = function(id) return tonumber(string.match(id, "%d+")) end
  table.sort(over, function(one, other) return age(one) < age(other) end)
  for _, id in ipairs(over) do finish(id) end
end

local function headOf(entry)
  local created, revision, lease = string.match(entry, "^(%d+) (%d+) (%w*)\\n")
  return { created = created, revision = revision, lease = lease }
end

local function unbind(lease, key)
  if lease == "" then return end
  redis.call("ZREM", BOUND, lease .. "\\0" .. key)
  if string.sub(lease, 1, 1) == "t" then redis.call("ZREM", LEASES, lease) end
end

local function put(key, before, value, lease, ttl)
  local revision = number(following())
  if ttl ~= "" then lease = issue("t", ttl) end
  if lease ~= "" then redis.call("ZADD", BOUND, 0, lease .. "\\0" .. key) end
  if not before then redis.call("ZADD", ORDER, 0, key) end
  local entry = (before and before.created or revision) .. " " .. revision .. " " .. lease .. "\\n" .. value
  redis.call("HSET", ENTRIES, key, entry)
  return entry
end

local function commit()
  local refused, writes
  for i = 1, arg() do
    local key, expected = arg(), arg()
    local entry = not refused and redis.call("HGET", ENTRIES, key)
    local actual = entry and headOf(entry).revision or "0"
    if not refused and actual ~= expected then refused = { "X", i, actual } end
  end
  writes = {}
  for i = 1, arg() do
    local write = { kind = arg(), key = arg() }
    if write.kind == "P" then
      write.value, write.lease, write.ttl = arg(), arg(), arg()
      if not refused and write.lease ~= "" and not redis.call("ZSCORE", LEASES, write.lease) then
        refused = { "U", write.lease }
      end
    end
    writes[i] = write
  end
  if refused then return refused end
  local changes, deleted = {}, 0
  for _, write in ipairs(writes) do
    local key, entry = write.key, redis.call("HGET", ENTRIES, write.key)
    local before = entry and headOf(entry)
    if before then unbind(before.lease, key) end
    if write.kind == "P" then
      changes[#changes + 1] = key
      changes[#changes + 1] = put(key, before, write.value, write.lease, write.ttl)
    elseif before then
      redis.call("HDEL", ENTRIES, key)
      redis.call("ZREM", ORDER, key)
      changes[#changes + 1] = key
      changes[#changes + 1] = ""
      deleted = deleted + 1
    end
  end
  record(changes)
  return { "C", number(rev), deleted }
end

local function range()
  local first, last, limit = arg(), arg() .. "\\255", tonumber(arg())
  local keys, found = redis.call("ZRANGEBYLEX", ORDER, first, last, "LIMIT", 0, limit + 1), {}
  for i = 1, math.min(#keys, limit) do
    found[#found + 1] = keys[i]
    found[#found + 1] = redis.call("HGET", ENTRIES, keys[i])
  end
  return { number(rev), #keys > limit and 1 or 0, found }
end

local function renew()
  local answers = {}
  for i = 1, arg() do
    local id, ttl = arg(), arg()
    answers[i] = redis.call("ZSCORE", LEASES, id) and 1 or 0
    if answers[i] == 1 then redis.call("ZADD", LEASES, number(micros + ttl * 1000), id) end
  end
  return answers
end

-- What was changed of a target from a revision on, for one that knows all up to \`seen\`; "": that does not know yet.
local function since()
  local key, prefix, from, seen = arg(), arg() == "1", tonumber(arg()), tonumber(arg())
  local start = seen and seen + 1 or from
  local head = redis.call("XRANGE", LOG, seen and number(start) or "-", "+", "COUNT", 1)[1]
  local before = head and tonumber(head[2][1]) or rev
  if seen and before ~= seen or not seen and start <= before then
    return { "X", number((not seen or before > seen) and before + 1 or rev + 1) }
  end
  local found, size, looked, last, some = {}, 0, 0, rev
  repeat
    some = redis.call("XRANGE", LOG, number(start), "+", "COUNT", 16)
    for _, entry in ipairs(some) do
      local revision = tonumber(string.match(entry[1], "%d+"))
      local changes, mine = cmsgpack.unpack(entry[2][2]), {}
      for i = 1, revision < from and 0 or #changes, 2 do
        if changes[i] == key or prefix and string.sub(changes[i], 1, #key) == key then
          mine[#mine + 1] = changes[i]
          mine[#mine + 1] = changes[i + 1]
          size = size + #changes[i + 1]
        end
      end
      if #mine > 0 then found[#found + 1] = { number(revision), mine } end
      start, last = revision + 1, revision
    end
    looked = looked + #some
  until #some < 16 or looked >= 1024 or size >= 1048576
  return { "O", number(#some < 16 and rev or last), number(rev), found }
end

local run = {
  get = function() return redis.call("HGET", ENTRIES, arg()) end,
  range = range,
  commit = commit,
  grant = function() return issue("", arg()) end,
  renew = renew,
  revoke = function() return finish(arg()) end,
  now = function() return number(rev) end,
  since = since
}

if soonest() <= micros then reap() end
local answers = {}
while at < #ARGV do answers[#answers + 1] = run[arg()]() or false end
local next = soonest()
next = next == math.huge and "-1" or number(math.max(0, math.ceil((next - micros) / 1000)))
if rev ~= began then
  local told = { number(began), number(rev), tonumber(next) }
  for i = 1, #touched <= 32 and #touched or 0 do told[i + 3] = touched[i] end
  redis.call("${sharded ? "SPUBLISH" : "PUBLISH"}", channel, cjson.encode(told))
end
return { next, answers }
`
