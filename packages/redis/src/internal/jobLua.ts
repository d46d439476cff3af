import { jobLuaOthers } from "./jobLuaOthers.ts"
import { jobLuaBatches, jobLuaFirsts, jobLuaPlain } from "./jobLuaPlain.ts"
import { jobLuaSteps } from "./jobLuaSteps.ts"

/**
 * A queue of jobs and the steps on it, as one Lua script that carries out many operations in a call.
 *
 * It says in Redis what `JobMachine` says: the property test runs both side by side. Times are whole milliseconds.
 *
 * KEYS, all in one slot:
 * 1. a hash: `seq`, the rank of the last job, `token`, the last one, `died`, how many have, `paused`;
 * 2. a hash of the jobs, packed, by id;
 * 3. a hash of their payloads, by id, for as long as somebody may want them;
 * 4. a zset of those that can be claimed, at their places; a member is the rank in 16 digits and the id;
 * 5. a zset of those that wait for their time, at that time; members as above;
 * 6. a zset of those that are claimed, at the end of the claim; members as above;
 * 7. a zset of the dead letters, ids in the order of their deaths;
 * 8. a zset of those that have ended and are still known, ids at the time when they are forgotten;
 * 9. a zset of the unfinished jobs that have a key, at score 0: `<length>:<key>:` and a member as above;
 * 10. a list of the plain jobs that wait, in their order; members as above. Of a job that is plain no longer a member may be left here;
 * 11. a hash of the claims of plain jobs, packed, by token: the owner and the ids. In 6 a claim is one member: `b` and the token.
 *
 * A job is plain that has no key, priority, delay or keep: until something else happens to it than that it is claimed, and then completed,
 * all that there is of it is one text in 2: `p`, its rank, the time when it came in 13 digits, its most attempts in 4, how
 * long its headers are in 6, the headers, the payload. All plain jobs of a claim have one token. Whatever else is asked of one
 * makes it a job like others (`fatten`).
 *
 * ARGV: what the channels and the keys of outcomes begin with, how much a level of priority is worth, then the operations as
 * `jobScript` writes them, packed. Answers one answer an operation, packed: a packed list costs less than its parts, at either end.
 *
 * The channel `<start>:news` is told when there is something to claim, or something ends earlier than before; `<start>:job:<id>`, where
 * somebody has asked for the outcome, when the job has reported or ended. An outcome that nobody keeps, and somebody follows, is kept
 * for a minute as `<start>:end:<id>`.
 *
 * `sharded`: for the node of a cluster, which publishes in the slot of the keys.
 */
export const jobLua = (time: string, sharded: boolean): string => `
local META, JOBS, PAYLOADS, READY, DELAYED, CLAIMED, DEAD, ENDED, LINES, PLAIN, BATCHES = unpack(KEYS)
local start, level, args, at = ARGV[1], tonumber(ARGV[2]), cmsgpack.unpack(ARGV[3]), 0
${time}
local now = math.floor(micros / 1000)
local publish = "${sharded ? "SPUBLISH" : "PUBLISH"}"
local number = function(n) return string.format("%.0f", n) end
local known = redis.call("HMGET", META, "seq", "token", "paused")
local seq, token, paused = tonumber(known[1]) or 0, tonumber(known[2]) or 0, known[3]
local firstSeq, firstToken = seq, token
local arg = function()
  at = at + 1
  return args[at]
end
local optional = function()
  local has, value = arg(), arg()
  return has == 1 and value
end

-- What stands where in a job: a list packs in a third of the time of a table with names. What is not there is false.
local STATE, SEQ, READYAT, ENQUEUED, ATTEMPTS, MOST, KEEP, PRIORITY, TOKEN, KEY, HEADERS, OWNER, FOLLOWED, PROGRESS, CAUSE, PROBLEM,
  KIND, RESULT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18

local function firstAt(key) return tonumber(redis.call("ZRANGE", key, 0, 0, "WITHSCORES")[2]) or math.huge end
local delayedAt, claimedAt, endedAt = firstAt(DELAYED), firstAt(CLAIMED), firstAt(ENDED)
-- What happens by itself that was put there in this call: the first of it.
local due, grew = math.huge, false
local function schedule(key, when, member)
  due = math.min(due, when)
  redis.call("ZADD", key, number(when), member)
end

-- Calls with many arguments, as many as Lua's stack surely holds.
local function many(command, key, list)
  for i = 1, #list, 1000 do redis.call(command, key, unpack(list, i, math.min(i + 999, #list))) end
end
local function each(key, ids)
  if #ids <= 1000 then return redis.call("HMGET", key, unpack(ids)) end
  local all = {}
  for i = 1, #ids, 1000 do
    for j, value in ipairs(redis.call("HMGET", key, unpack(ids, i, math.min(i + 999, #ids)))) do all[i + j - 1] = value end
  end
  return all
end
${jobLuaBatches}
-- Jobs that have ended and are not kept: those of settlements that follow each other go together.
local gone, ids, fat, members = {}, {}, {}, {}
local function sweep()
  for token, batch in pairs(batches) do
    if batch and batch.changed then
      batch.changed = false
      if batch.left == 0 then
        redis.call("HDEL", BATCHES, number(token))
        redis.call("ZREM", CLAIMED, "b" .. number(token))
      else
        local list = { batch.owner }
        for id in pairs(batch.ids) do list[#list + 1] = id end
        redis.call("HSET", BATCHES, number(token), cmsgpack.pack(list))
      end
    end
  end
  if #ids == 0 then return end
  if #members > 0 then many("ZREM", CLAIMED, members) end
  many("HDEL", JOBS, ids)
  if #fat > 0 then many("HDEL", PAYLOADS, fat) end
  gone, ids, fat, members = {}, {}, {}, {}
end

${jobLuaPlain}
local function load(id)
  local packed = not gone[id] and redis.call("HGET", JOBS, id)
  return packed and open(id, packed)
end
local function save(id, job) redis.call("HSET", JOBS, id, cmsgpack.pack(job)) end
local function idOf(member) return string.sub(member, 17) end
local function lineOf(key) return #key .. ":" .. key .. ":" end
local function firstOf(key)
  local line = lineOf(key)
  local found = redis.call("ZRANGEBYLEX", LINES, "[" .. line, "(" .. line .. ":", "LIMIT", 0, 1)[1]
  return found and string.sub(found, #line + 1)
end

local function place(id, job)
  local member = job[SEQ] .. id
  if job[READYAT] > now then
    schedule(DELAYED, job[READYAT], member)
  elseif job[KEY] == "" or firstOf(job[KEY]) == member then
    redis.call("ZADD", READY, number(job[READYAT] - job[PRIORITY] * level), member)
    grew = true
  end
end

local function wait(id, job)
  job[STATE] = "waiting"
  save(id, job)
  place(id, job)
end

local function rank()
  seq = seq + 1
  return string.format("%016d", seq)
end

local function line(id, job)
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

local function die(id, job, cause, problem)
  unplace(id, job)
  job[STATE], job[CAUSE], job[PROBLEM] = "dead", cause, problem
  save(id, job)
  redis.call("ZADD", DEAD, redis.call("HINCRBY", META, "died", 1), id)
  leave(id, job)
  tell(id, job)
end

local function finish(id, job, kind, result)
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

local function advance()
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

local function held()
  local id, token = arg(), arg()
  local job = load(id)
  if job and job[STATE] == "claimed" and job[TOKEN] == token then return id, job end
  return id, nil
end

local function some(value)
  if value then return 1, value end
  return 0, ""
end

local answers = {}
local function answer(value) answers[#answers + 1] = value end

${jobLuaFirsts}
${jobLuaSteps}
${jobLuaOthers}
advance()
while at < #args do
  local op = arg()
  if op ~= "settle" then sweep() end
  if not ops[op] then others() end
  ops[op]()
end
sweep()
if seq > firstSeq then redis.call("HSET", META, "seq", number(seq)) end
if token > firstToken then redis.call("HSET", META, "token", number(token)) end
local function isLeft() return redis.call("LLEN", PLAIN) > 0 or redis.call("ZCARD", READY) > 0 end
if (grew and not paused and isLeft()) or due < math.min(delayedAt, claimedAt) then
  redis.call(publish, start .. ":news", "")
end
return cmsgpack.pack(answers)
`
