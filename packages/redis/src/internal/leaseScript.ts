/**
 * The state of resources and the steps on it, as one Lua script that carries out many operations in a call.
 *
 * It says in Redis what `LeaseMachine.step` says: the property test runs both side by side.
 */
import type { Lease, LeaseBackend } from "heddle/coordination"
import { createHash } from "node:crypto"

/**
 * Keys of one resource: `<key>` is a packed blob of limit, last token, length of the line, next place in it, when its last
 * waiter counts as dead, holders, and withdrawn ids. Only while somebody waits there are `<key>:q`, a sorted set of ids by
 * their place, and `<key>:w`, a hash of the waiters by id.
 *
 * KEYS: the key of each operation. ARGV[1]: a JSON list of what `header` and the encoders below give, one after another.
 * Answers one line for each operation, then a line `P<id> <token> <ttl>` for each grant to a waiter of the caller's own
 * session. Grants to others are published to their inbox, one message `<id> <token> <ttl>` a line.
 *
 * A resource is read at its first operation and written after the last. An operation that fails answers `E<why>`, and the
 * others go on.
 */
const source = (time: string): string => `
local args = cjson.decode(ARGV[1])
local session, inbox, patience, default = args[1], args[2], args[3], args[4]
${time}
local now = micros / 1000
local ID, OWNER, VALUE, PERMITS, TOKEN, SINCE, UNTIL = 1, 2, 3, 4, 5, 6, 7
local SESSION, TOKENS, TTL, PATIENCE = 5, 8, 9, 10
local states, mine, others = {}, {}, {}
local number = function(n) return string.format("%.0f", n) end
local millis = function(n) return string.format("%.3f", n) end

local function load(key)
  local s = states[key]
  if s then return s end
  s = { key = key, limit = 1, token = 0, waiting = 0, place = 0, last = 0, holders = {}, gone = {}, used = 0, grants = {} }
  local raw = redis.call("GET", key)
  if raw then
    local holders, gone
    s.found = true
    s.limit, s.token, s.waiting, s.place, s.last, holders, gone = cmsgpack.unpack(raw)
    for i = 1, #holders do
      local holder = holders[i]
      if holder[UNTIL] > now then
        s.holders[#s.holders + 1] = holder
        s.used = s.used + holder[PERMITS]
      else
        s.changed = true
      end
    end
    for id, till in pairs(gone) do
      if till > now then s.gone[id] = till end
    end
  end
  states[key] = s
  return s
end

local function expire(key, till)
  redis.call("PEXPIRE", key, number(math.ceil(till - now) + 1))
end

local function save(s)
  if not (s.changed or s.dirty) then return end
  local till = s.last
  if s.waiting == 0 then till = 0 end
  for i = 1, #s.holders do till = math.max(till, s.holders[i][UNTIL]) end
  for _, gone in pairs(s.gone) do till = math.max(till, gone) end
  if s.token >= micros then till = math.max(till, s.token / 1000) end
  if till > now then
    local blob = cmsgpack.pack(s.limit, s.token, s.waiting, s.place, s.last, s.holders, s.gone)
    redis.call("SET", s.key, blob, "PX", number(math.ceil(till - now) + 1))
    if s.beaten and s.waiting > 0 then
      expire(s.key .. ":q", s.last)
      expire(s.key .. ":w", s.last)
    end
  elseif s.found then
    redis.call("DEL", s.key)
  end
end

local function waiterOf(s, id)
  if s.waiting == 0 then return end
  if s.head and s.head[ID] == id then return s.head end
  local raw = redis.call("HGET", s.key .. ":w", id)
  return raw and cmsgpack.unpack(raw)
end

local function put(s, waiter)
  redis.call("HSET", s.key .. ":w", waiter[ID], cmsgpack.pack(waiter))
  s.last = math.max(s.last, waiter[UNTIL])
  s.beaten, s.dirty = true, true
end

local function headOf(s)
  if not s.head then
    local id = redis.call("ZRANGE", s.key .. ":q", 0, 0)[1]
    s.head = id and waiterOf(s, id)
    if not s.head then
      redis.call("DEL", s.key .. ":q", s.key .. ":w")
      s.waiting, s.changed = 0, true
    end
  end
  return s.head
end

local function leave(s, id)
  redis.call("ZREM", s.key .. ":q", id)
  redis.call("HDEL", s.key .. ":w", id)
  s.waiting, s.changed = s.waiting - 1, true
  if s.head and s.head[ID] == id then s.head = nil end
end

local function grant(s, id, owner, value, permits, tokens, ttl)
  local token = math.max(s.token + 1, micros)
  s.token = token + tokens - 1
  s.holders[#s.holders + 1] = { id, owner, value, permits, token, now, now + ttl }
  s.used, s.changed = s.used + permits, true
  return token
end

local function promote(s)
  while s.waiting > 0 do
    local head = headOf(s)
    if not head then return end
    local dead = head[UNTIL] <= now
    if not dead and s.used + head[PERMITS] > s.limit then return end
    leave(s, head[ID])
    if not dead then
      local ttl = math.min(head[TTL], head[PATIENCE])
      local token = grant(s, head[ID], head[OWNER], head[VALUE], head[PERMITS], head[TOKENS], ttl)
      s.grants[#s.grants + 1] = { head[SESSION], head[ID], head[ID] .. " " .. number(token) .. " " .. millis(ttl) }
    end
  end
end

local function holderOf(s, id)
  for i = 1, #s.holders do
    if s.holders[i][ID] == id then return s.holders[i], i end
  end
end

local function claim(s, id, permits, limit, tokens, ttl, wait, owner, value)
  if s.gone[id] then return "X" end
  if owner == 0 then owner = default end
  local waiter = waiterOf(s, id)
  if waiter then
    waiter[UNTIL] = now + patience
    put(s, waiter)
  end
  promote(s)
  local holder = holderOf(s, id)
  if holder then
    for i = #s.grants, 1, -1 do
      if s.grants[i][2] == id then table.remove(s.grants, i) end
    end
    return "G" .. number(holder[TOKEN]) .. " " .. millis(holder[UNTIL] - now)
  end
  if #s.holders == 0 and s.waiting == 0 then s.limit = limit end
  if s.limit ~= limit then return "M" .. number(s.limit) end
  if s.waiting == 0 and (#s.holders == 0 or s.used + permits <= limit) then
    return "G" .. number(grant(s, id, owner, value, permits, tokens, ttl))
  end
  if not waiter then
    if wait == 0 then return "B" end
    redis.call("ZADD", s.key .. ":q", number(s.place), id)
    put(s, { id, owner, value, permits, session, now, now + patience, tokens, ttl, patience })
    s.place, s.waiting, s.changed = s.place + 1, s.waiting + 1, true
  end
  local next = math.huge
  for i = 1, #s.holders do next = math.min(next, s.holders[i][UNTIL] - now) end
  return "Q" .. millis(next)
end

local function renew(s, id, ttl)
  local holder = holderOf(s, id)
  if holder then
    holder[UNTIL] = now + ttl
    s.dirty = true
  end
  promote(s)
  return holder and "D" or "L"
end

local function update(s, id, value)
  local holder = holderOf(s, id)
  if holder then
    holder[VALUE] = value
    s.changed = true
  end
  promote(s)
  return holder and "D" or "L"
end

local function release(s, id, remember)
  local holder, at = holderOf(s, id)
  if holder then
    table.remove(s.holders, at)
    s.used, s.changed = s.used - holder[PERMITS], true
  elseif waiterOf(s, id) then
    leave(s, id)
  elseif remember > 0 then
    s.gone[id] = now + remember
    s.dirty = true
  end
  promote(s)
  return "D"
end

local function inspect(s)
  local next, holders, waiters = math.huge, {}, {}
  for i, h in ipairs(s.holders) do
    next = math.min(next, h[UNTIL] - now)
    holders[i] = cjson.encode({ h[ID], h[OWNER], h[VALUE], number(h[PERMITS]), number(h[TOKEN]), millis(now - h[SINCE]) })
  end
  for _, id in ipairs(s.waiting > 0 and redis.call("ZRANGE", s.key .. ":q", 0, -1) or {}) do
    local w = waiterOf(s, id)
    if w and w[UNTIL] > now then
      next = math.min(next, w[UNTIL] - now)
      waiters[#waiters + 1] = cjson.encode({ id, w[OWNER], number(w[PERMITS]), millis(now - w[SINCE]) })
    end
  end
  next = next == math.huge and "null" or millis(next)
  return "[" .. next .. ",[" .. table.concat(holders, ",") .. "],[" .. table.concat(waiters, ",") .. "]]"
end

local run = {
  function(s, at)
    local a = args
    return claim(s, a[at], a[at + 1], a[at + 2], a[at + 3], a[at + 4], a[at + 5], a[at + 6], a[at + 7])
  end,
  function(s, at) return renew(s, args[at], args[at + 1]) end,
  function(s, at) return release(s, args[at], args[at + 1]) end,
  function(s, at) return update(s, args[at], args[at + 1]) end,
  function(s) return inspect(s) end
}
local length = { 9, 3, 3, 3, 1 }

local function failed(why)
  return "E" .. string.gsub(type(why) == "table" and why.err or why, "\\n", " ")
end
local function step(i, at)
  return run[args[at]](load(KEYS[i]), at + 1)
end

local replies, at = {}, 5
for i = 1, #KEYS do
  local ok, reply = pcall(step, i, at)
  replies[i] = ok and reply or failed(reply)
  at = at + length[args[at]]
end

local listened = redis.call("PUBSUB", "NUMPAT") > 0
for key, s in pairs(states) do
  local ok, why = pcall(save, s)
  if ok then
    if listened and s.changed then redis.call("PUBLISH", key .. ":changes", "") end
    for _, push in ipairs(s.grants) do
      local list = push[1] == session and mine or others[push[1]]
      if not list then
        list = {}
        others[push[1]] = list
      end
      list[#list + 1] = push[3]
    end
  else
    for i = 1, #KEYS do
      if KEYS[i] == key then replies[i] = failed(why) end
    end
  end
end
for to, list in pairs(others) do redis.call("PUBLISH", inbox .. to, table.concat(list, "\\n")) end
for _, push in ipairs(mine) do replies[#replies + 1] = "P" .. push end
return table.concat(replies, "\\n")
`

/** A script and the digest that the server knows it by. */
export interface Script {
  readonly lua: string
  readonly sha: string
}

/** The script, given Lua that sets `micros`: the time in microseconds since 1970. */
export const scriptWith = (time: string): Script => {
  const lua = source(time)
  return { lua, sha: createHash("sha1").update(lua).digest("hex") }
}

/** The script on the server's own clock. */
export const leaseScript: Script = scriptWith(`
local time = redis.call("TIME")
local micros = time[1] * 1000000 + time[2]
`)

/** What a batch says once for all of its operations: whose it is, and what holds for each claim in it. */
export interface Header {
  readonly session: string
  /** The channel prefix of inboxes. */
  readonly inbox: string
  /** Milliseconds. */
  readonly patience: number
  /** The owner of claims that name no other. */
  readonly owner: string
}

export type Args = ReadonlyArray<string | number>

export const header = (of: Header): Args => [of.session, of.inbox, of.patience, of.owner]

export const claim = (claim: LeaseBackend.Claim, owner: string): Args => [
  1,
  claim.id,
  claim.permits,
  claim.limit,
  claim.tokens,
  claim.ttl,
  claim.wait ? 1 : 0,
  claim.owner === owner ? 0 : claim.owner,
  claim.value
]
export const renew = (claim: LeaseBackend.Claim): Args => [2, claim.id, claim.ttl]
export const release = (claim: LeaseBackend.Claim, remember: number): Args => [3, claim.id, remember]
export const update = (claim: LeaseBackend.Claim, value: string): Args => [4, claim.id, value]
export const inspect: Args = [5]

export const encode = (header: Args, ops: ReadonlyArray<{ readonly args: Args }>): string => {
  const all = header.slice()
  for (const { args } of ops) for (const arg of args) all.push(arg)
  return JSON.stringify(all)
}

/** What an inspection found; `next` is after how many ms a lease or a waiter in it may end by itself. */
export interface Looked {
  readonly inspection: Lease.Inspection
  readonly next: number | undefined
}

/** Reads the answer to `inspect`. */
export const looked = (reply: string): Looked => {
  const [next, holders, waiters] = JSON.parse(reply) as readonly [
    next: number | null,
    holders: ReadonlyArray<
      readonly [id: string, owner: string, value: string, permits: string, token: string, age: string]
    >,
    waiters: ReadonlyArray<readonly [id: string, owner: string, permits: string, age: string]>
  ]
  return {
    next: next ?? undefined,
    inspection: {
      holders: holders.map(([id, owner, value, permits, token, age]) => ({
        id,
        owner,
        value,
        permits: Number(permits),
        token: BigInt(token),
        age: Number(age)
      })),
      waiters: waiters.map(([id, owner, permits, age]) => ({ id, owner, permits: Number(permits), age: Number(age) }))
    }
  }
}
