/** The operations of `jobLua`, each of which reads its own arguments and answers once. */
export const jobLuaSteps = `
local ops = {}

ops.enqueue = function()
  local added, payloads, places = {}, {}, {}
  for i = 1, count() do
    local id, payload = arg(), arg()
    local job = { headers = arg(), key = arg(), priority = count(), ready = now + count(), most = count(), keep = count(),
      enqueued = now, attempts = 0, token = "", owner = "", state = "waiting" }
    rank(job)
    added[i] = redis.call("HSETNX", JOBS, id, cmsgpack.pack(job))
    if added[i] == 1 then
      payloads[#payloads + 1] = id
      payloads[#payloads + 1] = payload
      if job.key == "" and job.ready <= now then
        places[#places + 1] = job.ready - job.priority * level
        places[#places + 1] = memberOf(id, job)
        grew = true
      else
        line(id, job)
        place(id, job)
      end
    end
  end
  many("HSET", PAYLOADS, payloads)
  many("ZADD", READY, places)
  return added
end

ops.claim = function()
  local max, ttl, owner = count(), count(), arg()
  local found, jobs, places, chosen = {}, {}, {}, {}
  local members = paused and {} or redis.call("ZPOPMIN", READY, max)
  for i = 1, #members, 2 do chosen[#chosen + 1] = idOf(members[i]) end
  if #chosen > 0 then
    local packed, payloads = redis.call("HMGET", JOBS, unpack(chosen)), redis.call("HMGET", PAYLOADS, unpack(chosen))
    for i, id in ipairs(chosen) do
      local job = cmsgpack.unpack(packed[i])
      token = math.max(token + 1, micros)
      job.state, job.token, job.owner, job.attempts, job.progress = "claimed", number(token), owner, job.attempts + 1, nil
      jobs[2 * i - 1], jobs[2 * i] = id, cmsgpack.pack(job)
      places[2 * i - 1], places[2 * i] = now + ttl, members[2 * i - 1]
      found[i] = { id, job.token, job.attempts, job.most, job.key, payloads[i], job.headers, now - job.enqueued }
    end
    many("HSET", JOBS, jobs)
    many("ZADD", CLAIMED, places)
  end
  local next = earliest()
  return { next == math.huge and -1 or math.max(next - now, 0), found }
end

ops.extend = function()
  local known = {}
  for i = 1, count() do
    local id, job = held()
    local ttl = count()
    known[i] = job and 1 or 0
    if job then redis.call("ZADD", CLAIMED, number(now + ttl), memberOf(id, job)) end
  end
  return known
end

ops.settle = function()
  local id, job = held()
  local kind = arg()
  if kind == "C" then
    local result = optional()
    if not job then return "Lost" end
    finish(id, job, "C", result)
    return "Completed"
  elseif kind == "H" then
    if not job then return "Lost" end
    job.attempts = job.attempts - 1
    redis.call("ZREM", CLAIMED, memberOf(id, job))
    wait(id, job)
    return "HandedBack"
  end
  local delay, cause, problem = count(), arg(), optional()
  if not job then return "Lost" end
  if kind == "D" or job.attempts >= job.most then
    die(id, job, cause, problem)
    return "Dead"
  end
  redis.call("ZREM", CLAIMED, memberOf(id, job))
  job.ready = now + delay
  wait(id, job)
  return "Retried"
end

ops.dead = function()
  local letters = {}
  for i, id in ipairs(redis.call("ZRANGE", DEAD, 0, count() - 1)) do
    local job = load(id)
    letters[i] = { id, job.key, redis.call("HGET", PAYLOADS, id), job.headers, job.attempts, job.cause, some(job.problem) }
  end
  return letters
end

ops.redrive = function()
  local named, chosen = count(), {}
  for i = 1, named do chosen[arg()] = true end
  local driven = 0
  for _, id in ipairs(redis.call("ZRANGE", DEAD, 0, -1)) do
    if named < 0 or chosen[id] then
      local job = load(id)
      redis.call("ZREM", DEAD, id)
      job.attempts, job.cause, job.problem, job.ready = 0, nil, nil, now
      rank(job)
      line(id, job)
      wait(id, job)
      driven = driven + 1
    end
  end
  return driven
end

ops.purge = function()
  if arg() == "dead" then
    local ids = redis.call("ZRANGE", DEAD, 0, -1)
    for _, id in ipairs(ids) do forget(id) end
    return #ids
  end
  local gone, keys, many = {}, {}, 0
  local function take(id)
    local job = not gone[id] and load(id)
    if not job or job.state ~= "waiting" then return end
    gone[id] = job
    many = many + 1
  end
  for _, member in ipairs(redis.call("ZRANGE", READY, 0, -1)) do take(idOf(member)) end
  for _, member in ipairs(redis.call("ZRANGE", DELAYED, 0, -1)) do take(idOf(member)) end
  for _, place in ipairs(redis.call("ZRANGE", LINES, 0, -1)) do
    local size, rest = string.match(place, "^(%d+):()")
    take(idOf(string.sub(place, rest + size + 1)))
  end
  for id, job in pairs(gone) do
    unplace(id, job)
    forget(id)
    if job.key ~= "" then
      redis.call("ZREM", LINES, lineOf(job.key) .. memberOf(id, job))
      keys[job.key] = true
    end
    tell(id)
  end
  for key in pairs(keys) do follow(key) end
  return many
end

ops.inspect = function()
  local job = load(arg())
  if not job then return {} end
  local state = job.state
  if state == "waiting" and job.ready > now then state = "delayed" end
  return { state, job.attempts, job.key, state == "claimed" and job.owner or "" }
end

ops.stats = function()
  local delayed, claimed = redis.call("ZCARD", DELAYED), redis.call("ZCARD", CLAIMED)
  local dead = redis.call("ZCARD", DEAD)
  local waiting = redis.call("HLEN", JOBS) - delayed - claimed - dead - redis.call("ZCARD", ENDED)
  return { waiting, delayed, claimed, dead, paused and 1 or 0 }
end

ops.cancel = function()
  local id = arg()
  local job = load(id)
  if not job or (job.state ~= "waiting" and job.state ~= "claimed") then return { 0, "" } end
  local token = job.state == "claimed" and job.token or ""
  finish(id, job, "X", nil)
  return { 1, token }
end

ops.pause = function()
  if arg() == "1" then
    redis.call("HSET", META, "paused", 1)
    paused = "1"
  else
    redis.call("HDEL", META, "paused")
    paused = false
    grew = true
  end
  return 1
end

ops.report = function()
  local id, job = held()
  local value = arg()
  if not job then return 0 end
  job.progress = value
  save(id, job)
  tell(id)
  return 1
end

ops.outcome = function()
  local id = arg()
  local job = load(id)
  if not job then
    local packed = redis.call("GET", start .. ":end:" .. id)
    if not packed then return { "U" } end
    local left = cmsgpack.unpack(packed)
    return { left[1], some(left[2]) }
  end
  if job.state == "dead" then return { "D", job.cause, some(job.problem) } end
  if job.state == "ended" then return { job.kind, some(job.result) } end
  return { "P", some(job.progress) }
end
`
