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
`
