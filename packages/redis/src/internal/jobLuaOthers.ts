/** The operations of `jobLua` that a worker does not ask for in each call: made when one is asked for, as a function costs its making. */
export const jobLuaOthers = `
function others()
  ops.dead = function()
    local letters = {}
    for i, id in ipairs(redis.call("ZRANGE", DEAD, 0, arg() - 1)) do
      local job = load(id)
      letters[i] = { id, job[KEY], redis.call("HGET", PAYLOADS, id), job[HEADERS], job[ATTEMPTS], job[CAUSE], some(job[PROBLEM]) }
    end
    answer(letters)
  end

  ops.redrive = function()
    local named, chosen = arg(), {}
    for _ = 1, named do chosen[arg()] = true end
    local driven = 0
    for _, id in ipairs(redis.call("ZRANGE", DEAD, 0, -1)) do
      if named < 0 or chosen[id] then
        local job = load(id)
        redis.call("ZREM", DEAD, id)
        job[ATTEMPTS], job[CAUSE], job[PROBLEM], job[READYAT] = 0, false, false, now
        job[SEQ] = rank()
        line(id, job)
        wait(id, job)
        driven = driven + 1
      end
    end
    answer(driven)
  end

  ops.purge = function()
    if arg() == "dead" then
      local ids = redis.call("ZRANGE", DEAD, 0, -1)
      for _, id in ipairs(ids) do forget(id) end
      return answer(#ids)
    end
    local gone, keys, many = {}, {}, 0
    local function take(id)
      local job = not gone[id] and load(id)
      if not job or job[STATE] ~= "waiting" then return end
      gone[id] = job
      many = many + 1
    end
    for _, member in ipairs(redis.call("ZRANGE", READY, 0, -1)) do take(idOf(member)) end
    for _, member in ipairs(redis.call("ZRANGE", DELAYED, 0, -1)) do take(idOf(member)) end
    for _, member in ipairs(redis.call("LRANGE", PLAIN, 0, -1)) do take(idOf(member)) end
    redis.call("DEL", PLAIN)
    for _, place in ipairs(redis.call("ZRANGE", LINES, 0, -1)) do
      local size, rest = string.match(place, "^(%d+):()")
      take(idOf(string.sub(place, rest + size + 1)))
    end
    for id, job in pairs(gone) do
      unplace(id, job)
      forget(id)
      if job[KEY] ~= "" then
        redis.call("ZREM", LINES, lineOf(job[KEY]) .. job[SEQ] .. id)
        keys[job[KEY]] = true
      end
      tell(id, job)
    end
    for key in pairs(keys) do follow(key) end
    answer(many)
  end

  ops.leave = function()
    local waiter, max, ttl, owner = arg(), arg(), arg(), arg()
    if redis.call("ZREM", WAITING, cmsgpack.pack({ waiter, max, ttl, owner })) == 0 then
      needGrants()
      local _, line = grantOf(waiter)
      for _, one in ipairs(line or {}) do handBack(one[2], load(one[2])) end
    end
    answer(1)
  end

  ops.inspect = function()
    local job = load(arg())
    if not job then return answer({}) end
    local state = job[STATE]
    if state == "waiting" and job[READYAT] > now then state = "delayed" end
    answer({ state, job[ATTEMPTS], job[KEY], state == "claimed" and job[OWNER] or "" })
  end

  ops.stats = function()
    local delayed, claimed = redis.call("ZCARD", DELAYED), redis.call("ZCARD", CLAIMED)
    for _, token in ipairs(redis.call("HKEYS", BATCHES)) do claimed = claimed + batchOf(tonumber(token)).left - 1 end
    local dead = redis.call("ZCARD", DEAD)
    local waiting = redis.call("HLEN", JOBS) - delayed - claimed - dead - redis.call("ZCARD", ENDED)
    answer({ waiting, delayed, claimed, dead, paused and 1 or 0 })
  end

  ops.cancel = function()
    local id = arg()
    local job = load(id)
    if not job or (job[STATE] ~= "waiting" and job[STATE] ~= "claimed") then return answer({ 0, 0 }) end
    local token = job[STATE] == "claimed" and job[TOKEN] or 0
    finish(id, job, "X", false)
    answer({ 1, token })
  end

  ops.pause = function()
    if arg() == 1 then
      redis.call("HSET", META, "paused", 1)
      paused = "1"
    else
      redis.call("HDEL", META, "paused")
      paused = false
      grew = true
    end
    answer(1)
  end

  ops.report = function()
    local id, job = held()
    local value = arg()
    if not job then return answer(0) end
    job[PROGRESS] = value
    save(id, job)
    tell(id, job)
    answer(1)
  end

  ops.outcome = function()
    local id = arg()
    local job = load(id)
    if not job then
      local packed = redis.call("GET", start .. ":end:" .. id)
      if not packed then return answer({ "U" }) end
      local left = cmsgpack.unpack(packed)
      return answer({ left[1], some(left[2]) })
    end
    if job[STATE] == "dead" then return answer({ "D", job[CAUSE], some(job[PROBLEM]) }) end
    if job[STATE] == "ended" then return answer({ job[KIND], some(job[RESULT]) }) end
    -- Who asks hears the channel already.
    if not job[FOLLOWED] then
      job[FOLLOWED] = true
      save(id, job)
    end
    answer({ "P", some(job[PROGRESS]) })
  end
end
`
