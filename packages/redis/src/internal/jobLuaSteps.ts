/** The operations of `jobLua`, each of which reads its own arguments and answers once. Enqueues that follow each other go together. */
export const jobLuaSteps = `
local ops = {}

-- All but the rank of a job is the same for most of those that come together: it is packed once.
local front, plain = "\\157" .. cmsgpack.pack("waiting") .. "\\176", nil
local lastMost, lastKeep, lastHeaders
local function packedPlain(rank, most, keep, headers)
  if most ~= lastMost or keep ~= lastKeep or headers ~= lastHeaders then
    lastMost, lastKeep, lastHeaders = most, keep, headers
    plain = cmsgpack.pack(now, now, 0, most, keep, 0, 0, "", headers, "", false)
  end
  return front .. rank .. plain
end

ops.enqueue = function()
  local counts, ranks, names, payloads, packed, others, n = {}, {}, {}, {}, {}, {}, 0
  repeat
    counts[#counts + 1] = arg()
    for _ = 1, counts[#counts] do
      n = n + 1
      names[n], payloads[n], ranks[n] = arg(), arg(), rank()
      local headers, most, keep, more = arg(), arg(), arg(), arg()
      if more == 0 then
        packed[n] = packedPlain(ranks[n], most, keep, headers)
      else
        local key, priority, delay = arg(), arg(), arg()
        others[n] = { "waiting", ranks[n], now + delay, now, 0, most, keep, priority, 0, key, headers, "", false }
        packed[n] = cmsgpack.pack(others[n])
      end
    end
    local again = args[at + 1] == "enqueue"
    if again then at = at + 1 end
  until not again
  local known = n > 0 and each(JOBS, names) or {}
  local seen, jobs, bodies, places, keyed, here = {}, {}, {}, {}, {}, number(now)
  local last, news, waits = 0, 0, 0
  for _, total in ipairs(counts) do
    local added = {}
    for i = 1, total do
      last = last + 1
      local id = names[last]
      added[i] = 0
      if not known[last] and not seen[id] then
        added[i], seen[id] = 1, true
        jobs[news + 1], jobs[news + 2] = id, packed[last]
        bodies[news + 1], bodies[news + 2] = id, payloads[last]
        news = news + 2
        if others[last] then
          keyed[#keyed + 1] = last
        else
          places[waits + 1], places[waits + 2] = here, ranks[last] .. id
          waits, grew = waits + 2, true
        end
      end
    end
    answer(added)
  end
  many("HSET", JOBS, jobs)
  many("HSET", PAYLOADS, bodies)
  many("ZADD", READY, places)
  for _, at in ipairs(keyed) do
    line(names[at], others[at])
    place(names[at], others[at])
  end
end

ops.claim = function()
  local max, ttl, owner = arg(), arg(), arg()
  local found, jobs, places, chosen = {}, {}, {}, {}
  local first = paused and {} or redis.call("ZRANGE", READY, 0, max - 1)
  for i, member in ipairs(first) do chosen[i] = idOf(member) end
  if #chosen > 0 then
    redis.call("ZREMRANGEBYRANK", READY, 0, #chosen - 1)
    local packed, payloads = each(JOBS, chosen), each(PAYLOADS, chosen)
    local over = number(now + ttl)
    for i, id in ipairs(chosen) do
      local job = cmsgpack.unpack(packed[i])
      token = math.max(token + 1, micros)
      job[STATE], job[TOKEN], job[OWNER], job[ATTEMPTS], job[PROGRESS] = "claimed", token, owner, job[ATTEMPTS] + 1, nil
      jobs[2 * i - 1], jobs[2 * i] = id, cmsgpack.pack(job)
      places[2 * i - 1], places[2 * i] = over, first[i]
      found[i] = { id, token, job[ATTEMPTS], job[MOST], job[KEY], payloads[i], job[HEADERS], now - job[ENQUEUED] }
    end
    many("HSET", JOBS, jobs)
    many("ZADD", CLAIMED, places)
    due = math.min(due, now + ttl)
    return answer({ -1, found })
  end
  local next = math.min(firstAt(DELAYED), firstAt(CLAIMED))
  answer({ next == math.huge and -1 or math.max(next - now, 0), found })
end

ops.extend = function()
  local known = {}
  for i = 1, arg() do
    local id, job = held()
    local ttl = arg()
    known[i] = job and 1 or 0
    if job then schedule(CLAIMED, now + ttl, job[SEQ] .. id) end
  end
  answer(known)
end

-- A letter for each: completed, handed back, retried, dead, or lost.
ops.settle = function()
  local names, tokens, kinds, delays, values, problems = {}, {}, {}, {}, {}, {}
  for i = 1, arg() do
    names[i], tokens[i], kinds[i] = arg(), arg(), arg()
    if kinds[i] == "C" then
      values[i] = optional()
    elseif kinds[i] ~= "H" then
      delays[i], values[i], problems[i] = arg(), arg(), optional()
    end
  end
  local packed, jobs, told = each(JOBS, names), {}, {}
  for i, id in ipairs(names) do
    local job = jobs[id]
    if job == nil then
      job = not gone[id] and packed[i] and cmsgpack.unpack(packed[i])
      jobs[id] = job
    end
    local kind = kinds[i]
    if not job or job[STATE] ~= "claimed" or job[TOKEN] ~= tokens[i] then
      kind = "L"
    elseif kind == "C" then
      finish(id, job, "C", values[i])
    elseif kind == "H" then
      job[ATTEMPTS] = job[ATTEMPTS] - 1
      redis.call("ZREM", CLAIMED, job[SEQ] .. id)
      wait(id, job)
    elseif kind == "D" or job[ATTEMPTS] >= job[MOST] then
      kind = "D"
      die(id, job, values[i], problems[i])
    else
      redis.call("ZREM", CLAIMED, job[SEQ] .. id)
      job[READYAT] = now + delays[i]
      wait(id, job)
    end
    told[i] = kind
  end
  answer(table.concat(told))
end

-- Those that a worker does not ask for in each call: a function costs its making.
local function others()
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

  ops.inspect = function()
    local job = load(arg())
    if not job then return answer({}) end
    local state = job[STATE]
    if state == "waiting" and job[READYAT] > now then state = "delayed" end
    answer({ state, job[ATTEMPTS], job[KEY], state == "claimed" and job[OWNER] or "" })
  end

  ops.stats = function()
    local delayed, claimed = redis.call("ZCARD", DELAYED), redis.call("ZCARD", CLAIMED)
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
