/** Claims of plain jobs, as `jobLua` keeps them: read once in a call, and written when they are swept. */
export const jobLuaBatches = `
-- The claims of plain jobs that this call has looked at, by token: false where there is none.
local batches = {}
local function batchOf(token)
  local batch = batches[token]
  if batch == nil then
    local packed = redis.call("HGET", BATCHES, number(token))
    batch = false
    if packed then
      local list = cmsgpack.unpack(packed)
      local who = list[1]
      batch = { who = who, owner = type(who) == "table" and who[1] or who, ids = {}, left = #list - 1, changed = false }
      for i = 2, #list do batch.ids[list[i]] = true end
    end
    batches[token] = batch
  end
  return batch
end
local function takeOut(batch, id)
  batch.ids[id] = nil
  batch.left = batch.left - 1
  batch.changed = true
end
`

/** How a plain job becomes one like others. */
export const jobLuaPlain = `
local function claimOf(id)
  for _, token in ipairs(redis.call("HKEYS", BATCHES)) do
    local batch = batchOf(tonumber(token))
    if batch and batch.ids[id] then return tonumber(token), batch end
  end
end

-- Makes a plain job one like others. Where it waits its member in the list is left there, and is passed over.
local function fatten(id, body)
  local size = tonumber(string.sub(body, 35, 40))
  local seq, came = string.sub(body, 2, 17), tonumber(string.sub(body, 18, 30))
  local job = { "waiting", seq, came, came, 0, tonumber(string.sub(body, 31, 34)), 0, 0, 0, "", string.sub(body, 41, 40 + size), "", false }
  local token, batch = claimOf(id)
  if batch then
    job[STATE], job[ATTEMPTS], job[TOKEN], job[OWNER] = "claimed", 1, token, batch.owner
    redis.call("ZADD", CLAIMED, redis.call("ZSCORE", CLAIMED, "b" .. number(token)), seq .. id)
    takeOut(batch, id)
    if type(batch.who) == "table" then batch.who[#batch.who + 1] = id end
  else
    redis.call("ZADD", READY, number(came), seq .. id)
  end
  redis.call("HSET", JOBS, id, cmsgpack.pack(job))
  redis.call("HSET", PAYLOADS, id, string.sub(body, 41 + size))
  return job
end

function open(id, packed)
  if string.byte(packed) == 112 then return fatten(id, packed) end
  return cmsgpack.unpack(packed)
end
`

/** Who comes first: plain jobs and others in one order. */
export const jobLuaFirsts = `
-- The first that can be claimed, up to so many: of those in the line and of the plain ones whoever comes first. They are answered in their
-- order: a plain one as its member and its text, another as a list.
local function firsts(max)
  local found, chosen, slots, plain, n, fats = {}, {}, {}, {}, 0, 1
  local ready = redis.call("ZRANGE", READY, 0, max - 1, "WITHSCORES")
  local function takeReady()
    n, fats = n + 1, fats + 2
    chosen[#chosen + 1], slots[#slots + 1] = ready[fats - 2], #found + 1
    found[#found + 1] = false
  end
  while n < max do
    local left = max - n
    local line = #ready == 0 and (redis.call("LPOP", PLAIN, left) or {}) or redis.call("LRANGE", PLAIN, 0, left - 1)
    if #line == 0 then
      while n < max and fats < #ready do takeReady() end
      break
    end
    local names, passed = {}, 0
    for i, member in ipairs(line) do names[i] = idOf(member) end
    local bodies = each(JOBS, names)
    for i, member in ipairs(line) do
      local body = bodies[i]
      if body and string.byte(body) == 112 and string.sub(body, 2, 17) == string.sub(member, 1, 16) then
        if fats < #ready then
          local came = tonumber(string.sub(body, 18, 30))
          while n < max and fats < #ready do
            local at = tonumber(ready[fats + 1])
            if at > came or (at == came and ready[fats] > member) then break end
            takeReady()
          end
        end
        if n == max then break end
        n = n + 1
        plain[#plain + 1] = names[i]
        found[#found + 1] = member
        found[#found + 1] = body
      end
      passed = i
    end
    if #ready > 0 and passed > 0 then redis.call("LPOP", PLAIN, passed) end
  end
  return found, chosen, slots, plain
end
`
