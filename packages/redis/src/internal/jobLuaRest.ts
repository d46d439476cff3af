import { jobLuaOthers } from "./jobLuaOthers.ts"
import { jobLuaPlain } from "./jobLuaPlain.ts"

/** What a call needs that does not only enqueue, claim and complete plain jobs, as `jobLua` keeps them. */
export const jobLuaRest = `
local function rest()
${jobLuaPlain}
function load(id)
  local packed = not gone[id] and redis.call("HGET", JOBS, id)
  return packed and open(id, packed)
end
local function save(id, job) redis.call("HSET", JOBS, id, cmsgpack.pack(job)) end
local function lineOf(key) return #key .. ":" .. key .. ":" end
local function firstOf(key)
  local line = lineOf(key)
  local found = redis.call("ZRANGEBYLEX", LINES, "[" .. line, "(" .. line .. ":", "LIMIT", 0, 1)[1]
  return found and string.sub(found, #line + 1)
end

function place(id, job)
  local member = job[SEQ] .. id
  if job[READYAT] > now then
    schedule(DELAYED, job[READYAT], member)
  elseif job[KEY] == "" or firstOf(job[KEY]) == member then
    redis.call("ZADD", READY, number(job[READYAT] - job[PRIORITY] * level), member)
    grew = true
  end
end

function wait(id, job)
  job[STATE] = "waiting"
  save(id, job)
  place(id, job)
end

-- Uncounted.
function handBack(id, job)
  job[ATTEMPTS] = job[ATTEMPTS] - 1
  redis.call("ZREM", CLAIMED, job[SEQ] .. id)
  wait(id, job)
end

function line(id, job)
  if job[KEY] ~= "" then redis.call("ZADD", LINES, 0, lineOf(job[KEY]) .. job[SEQ] .. id) end
end

local function follow(key)
  local first = firstOf(key)
  if not first then return end
  local id = idOf(first)
  local job = load(id)
  if job and job[STATE] == "waiting" then wait(id, job) end
end

local function leave(id, job)
  if job[KEY] == "" then return end
  local member = job[SEQ] .. id
  local wasFirst = firstOf(job[KEY]) == member
  redis.call("ZREM", LINES, lineOf(job[KEY]) .. member)
  if wasFirst then follow(job[KEY]) end
end

local function tell(id, job) return job[FOLLOWED] and redis.call(publish, start .. ":job:" .. id, "") or 0 end

local function forget(id)
  redis.call("HDEL", JOBS, id)
  redis.call("HDEL", PAYLOADS, id)
  redis.call("ZREM", DEAD, id)
  redis.call("ZREM", ENDED, id)
end

local function unplace(id, job)
  local member = job[SEQ] .. id
  if job[STATE] == "claimed" then return redis.call("ZREM", CLAIMED, member) end
  redis.call("ZREM", READY, member)
  redis.call("ZREM", DELAYED, member)
end

function die(id, job, cause, problem)
  unplace(id, job)
  job[STATE], job[CAUSE], job[PROBLEM] = "dead", cause, problem
  save(id, job)
  redis.call("ZADD", DEAD, redis.call("HINCRBY", META, "died", 1), id)
  leave(id, job)
  tell(id, job)
end

function finish(id, job, kind, result)
  if job[KEEP] > 0 then
    unplace(id, job)
    job[STATE], job[KIND], job[RESULT] = "ended", kind, result
    save(id, job)
    redis.call("HDEL", PAYLOADS, id)
    redis.call("ZADD", ENDED, number(now + job[KEEP]), id)
    tell(id, job)
  else
    if job[STATE] == "claimed" then members[#members + 1] = job[SEQ] .. id else unplace(id, job) end
    job[STATE] = "ended"
    gone[id] = true
    ids[#ids + 1] = id
    fat[#fat + 1] = id
    if tell(id, job) > 0 then redis.call("SET", start .. ":end:" .. id, cmsgpack.pack({ kind, result }), "PX", 60000) end
  end
  leave(id, job)
end

local function overdue(key) return redis.call("ZRANGEBYSCORE", key, "-inf", number(now)) end

function advance()
  if endedAt <= now then
    for _, id in ipairs(overdue(ENDED)) do forget(id) end
  end
  if delayedAt <= now then
    for _, member in ipairs(overdue(DELAYED)) do
      redis.call("ZREM", DELAYED, member)
      local job = load(idOf(member))
      if job then wait(idOf(member), job) end
    end
  end
  if claimedAt > now then return end
  for _, member in ipairs(overdue(CLAIMED)) do
    local batch = string.byte(member) == 98 and batchOf(tonumber(string.sub(member, 2)))
    if batch then
      local all = {}
      for id in pairs(batch.ids) do all[#all + 1] = id end
      for _, id in ipairs(all) do load(id) end
      batch.who, batch.changed = batch.owner, true
    end
  end
  sweep()
  for _, member in ipairs(overdue(CLAIMED)) do
    redis.call("ZREM", CLAIMED, member)
    local id = idOf(member)
    local job = load(id)
    if job and job[ATTEMPTS] < job[MOST] then
      wait(id, job)
    elseif job then
      die(id, job, "its claim expired, and it has had all of its " .. job[ATTEMPTS] .. " attempts", false)
    end
  end
end

function held()
  local id, token = arg(), arg()
  local job = load(id)
  if job and job[STATE] == "claimed" and job[TOKEN] == token then return id, job end
  return id, nil
end

local function some(value)
  if value then return 1, value end
  return 0, ""
end

${jobLuaOthers}
end
`
