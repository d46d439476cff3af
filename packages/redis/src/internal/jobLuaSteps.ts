/** For how long a claim that waits counts, if it is not made again: milliseconds. */
const patience = 15_000

/** The operations of `jobLua`, each of which reads its own arguments and answers once. Enqueues that follow each other go together. */
export const jobLuaSteps = `
-- All but the rank of a job is the same for most of those that come together: it is packed once.
local front, plain = nil, nil
local lastMost, lastKeep, lastHeaders
local function packedPlain(rank, most, keep, headers)
  if most ~= lastMost or keep ~= lastKeep or headers ~= lastHeaders then
    front = "\\157" .. cmsgpack.pack("waiting") .. "\\176"
    lastMost, lastKeep, lastHeaders = most, keep, headers
    plain = cmsgpack.pack(now, now, 0, most, keep, 0, 0, "", headers, "", false)
  end
  return front .. rank .. plain
end

local stamp, bodyHead, bodyMost, bodyHeaders = string.format("%013d", now), nil, nil, nil
local function plainBody(rank, most, headers, payload)
  if most ~= bodyMost or headers ~= bodyHeaders then
    bodyMost, bodyHeaders = most, headers
    bodyHead = stamp .. string.format("%04d%06d", most, #headers) .. headers
  end
  return "p" .. rank .. bodyHead .. payload
end

ops.enqueue = function()
  local counts, ranks, names, payloads, packed, isPlain, others, n = {}, {}, {}, {}, {}, {}, {}, 0
  repeat
    counts[#counts + 1] = arg()
    for _ = 1, counts[#counts] do
      n = n + 1
      local id, payload, headers, most, keep, more = args[at + 1], args[at + 2], args[at + 3], args[at + 4], args[at + 5], args[at + 6]
      at = at + 6
      local mine = rank()
      names[n], ranks[n] = id, mine
      if more == 1 then
        local key, priority, delay = arg(), arg(), arg()
        others[n] = { "waiting", mine, now + delay, now, 0, most, keep, priority, 0, key, headers, "", false }
        packed[n], payloads[n] = cmsgpack.pack(others[n]), payload
      elseif keep > 0 then
        packed[n], payloads[n] = packedPlain(mine, most, keep, headers), payload
      else
        packed[n], isPlain[n] = plainBody(mine, most, headers, payload), true
      end
    end
    local again = args[at + 1] == "enqueue"
    if again then at = at + 1 end
  until not again
  local known = n > 0 and each(JOBS, names) or {}
  local seen, jobs, bodies, places, plain, keyed, here = {}, {}, {}, {}, {}, {}, number(now)
  local last, news = 0, 0
  for _, total in ipairs(counts) do
    local added = {}
    for i = 1, total do
      last = last + 1
      local id = names[last]
      added[i] = 0
      if not known[last] and not seen[id] then
        added[i], seen[id] = 1, true
        jobs[news + 1], jobs[news + 2] = id, packed[last]
        news = news + 2
        if isPlain[last] then
          plain[#plain + 1] = ranks[last] .. id
        else
          bodies[#bodies + 1], bodies[#bodies + 2] = id, payloads[last]
          if others[last] then
            keyed[#keyed + 1] = last
          else
            places[#places + 1], places[#places + 2] = here, ranks[last] .. id
          end
        end
      end
    end
    answer(added)
  end
  many("HSET", JOBS, jobs)
  many("HSET", PAYLOADS, bodies)
  many("ZADD", READY, places)
  many("RPUSH", PLAIN, plain)
  grew = grew or #places + #plain > 0
  if #keyed > 0 then need() end
  for _, at in ipairs(keyed) do
    line(names[at], others[at])
    place(names[at], others[at])
  end
end

-- Claims what is there, and answers that; nothing where there is none. \`who\`: what a claim of plain jobs says of its owner.
function take(max, ttl, owner, who)
  local found, chosen, slots, plain = firsts(max)
  if #found == 0 then return end
  local over, batch = number(now + ttl), 0
  if #plain > 0 then
    token = math.max(token + 1, micros)
    batch = token
    table.insert(plain, 1, who)
    redis.call("HSET", BATCHES, number(token), cmsgpack.pack(plain))
    redis.call("ZADD", CLAIMED, over, "b" .. number(token))
  end
  if #chosen > 0 then
    redis.call("ZREMRANGEBYRANK", READY, 0, #chosen - 1)
    local names, jobs, places = {}, {}, {}
    for i, member in ipairs(chosen) do names[i] = idOf(member) end
    local packed, payloads = each(JOBS, names), each(PAYLOADS, names)
    for i, id in ipairs(names) do
      local job = cmsgpack.unpack(packed[i])
      token = math.max(token + 1, micros)
      job[STATE], job[TOKEN], job[OWNER], job[ATTEMPTS], job[PROGRESS] = "claimed", token, owner, job[ATTEMPTS] + 1, nil
      jobs[2 * i - 1], jobs[2 * i] = id, cmsgpack.pack(job)
      places[2 * i - 1], places[2 * i] = over, chosen[i]
      found[slots[i]] = { id, token, job[ATTEMPTS], job[MOST], job[KEY], payloads[i], job[HEADERS], now - job[ENQUEUED] }
    end
    many("HSET", JOBS, jobs)
    many("ZADD", CLAIMED, places)
  end
  due = math.min(due, now + ttl)
  return { -1, found, batch, now }
end

ops.claim = function()
  local max, ttl, owner, waiter, again = arg(), arg(), arg(), arg(), arg()
  local place = waiter ~= "" and cmsgpack.pack({ waiter, max, ttl, owner })
  local taken
  if again == 1 and redis.call("ZREM", WAITING, place) == 0 then
    need()
    needGrants()
    taken = grantTo(waiter, ttl)
  end
  taken = taken or (not paused and take(max, ttl, owner, owner))
  if taken then return answer(taken) end
  if place then
    redis.call("ZADD", WAITING, number(now + ${patience}), place)
    redis.call("PEXPIRE", WAITING, ${patience})
  end
  local next = math.min(firstAt(DELAYED), firstAt(CLAIMED))
  answer({ next == math.huge and -1 or math.max(next - now, 0), {}, 0, now })
end

ops.extend = function()
  need()
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
  -- A claim of plain jobs that has it, by its token, proves a plain job claimed.
  local told, rest, places, jobs, later = {}, {}, {}, {}, {}
  for i, id in ipairs(names) do
    local batch = kinds[i] == "C" and not later[id] and batchOf(tokens[i])
    if batch and batch.ids[id] then
      takeOut(batch, id)
      gone[id] = true
      ids[#ids + 1] = id
      told[i] = "C"
    else
      rest[#rest + 1] = id
      places[#places + 1] = i
      later[id] = true
    end
  end
  local packed = {}
  if #rest > 0 then
    need()
    packed = each(JOBS, rest)
  end
  for at, id in ipairs(rest) do
    local i, job = places[at], jobs[id]
    if job == nil then
      job = not gone[id] and packed[at] and open(id, packed[at])
      jobs[id] = job
    end
    local kind = kinds[i]
    if not job or job[STATE] ~= "claimed" or job[TOKEN] ~= tokens[i] then
      kind = "L"
    elseif kind == "C" then
      finish(id, job, "C", values[i])
    elseif kind == "H" then
      handBack(id, job)
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
