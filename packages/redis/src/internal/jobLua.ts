import { jobLuaGrants } from "./jobLuaGrants.ts"
import { jobLuaBatches, jobLuaFirsts } from "./jobLuaPlain.ts"
import { jobLuaRest } from "./jobLuaRest.ts"
import { jobLuaSteps } from "./jobLuaSteps.ts"

/** How often who waits looks again, in case that a message was lost: milliseconds. */
export const recheck = 5000

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
 * 11. a hash of the claims of plain jobs, packed, by token: the owner and the ids. In 6 a claim is one member: `b` and the token. Of
 *    one that was made for who waits, a list is in place of the owner: the owner, its waiter, and the ids that are plain no longer;
 * 12. a zset of the claims that wait, packed: waiter, most, ttl and owner, at the time until which they count. It expires.
 *
 * A job is plain that has no key, priority, delay or keep: until something else happens to it than that it is claimed, and then completed,
 * all that there is of it is one text in 2: `p`, its rank, the time when it came in 13 digits, its most attempts in 4, how
 * long its headers are in 6, the headers, the payload. All plain jobs of a claim have one token. Whatever else is asked of one
 * makes it a job like others (`fatten`).
 *
 * ARGV: what the channels and the keys of outcomes begin with, how much a level of priority is worth, then the operations as
 * `jobScript` writes them, packed. Answers one answer an operation, packed: a packed list costs less than its parts, at either end.
 *
 * Plain jobs that come go to who waits, if its channel `<start>:to:<session>` is heard: it is told its waiter, and behind a line end what it
 * would be answered, each byte as a character; nothing where that is much. It has a claim then, and where it was not told is answered so
 * when it asks again.
 *
 * The channel `<start>:news` is told, where somebody waits, when there is something to claim, or something ends earlier than before and
 * before he looks again; `<start>:job:<id>`, where
 * somebody has asked for the outcome, when the job has reported or ended. An outcome that nobody keeps, and somebody follows, is kept
 * for a minute as `<start>:end:<id>`.
 *
 * `sharded`: for the node of a cluster, which publishes in the slot of the keys.
 */
export const jobLua = (time: string, sharded: boolean): string =>
  numbered(`
local META, JOBS, PAYLOADS, READY, DELAYED, CLAIMED, DEAD, ENDED, LINES, PLAIN, BATCHES, WAITING = unpack(KEYS)
local start, level, args, at = ARGV[1], tonumber(ARGV[2]), cmsgpack.unpack(ARGV[3]), 0
${time}
local now = math.floor(micros / 1000)
local publish = "${sharded ? "SPUBLISH" : "PUBLISH"}"
local counts = "${sharded ? "SHARDNUMSUB" : "NUMSUB"}"
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
      if batch.left == 0 and (type(batch.who) ~= "table" or #batch.who == 2) then
        redis.call("HDEL", BATCHES, number(token))
        redis.call("ZREM", CLAIMED, "b" .. number(token))
      else
        local list = { batch.who }
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

local function rank()
  seq = seq + 1
  return string.format("%016d", seq)
end

local function idOf(member) return string.sub(member, 17) end

local answers, ops = {}, {}
local function answer(value) answers[#answers + 1] = value end

-- A function costs its making: a local of the function right around it is looked for in a list of all that are used so, one of a
-- function further out is copied. So the steps stand in functions of their own, and what not every call needs is made when it is asked for.
local open, load, wait, die, finish, line, place, held, advance, others, handBack, take, grants, grantOf, grantTo, offer
local function needGrants()
  if not offer then grants() end
end
${jobLuaRest}
${jobLuaGrants}
local function need()
  if not load then rest() end
end

local function main()
${jobLuaFirsts}
${jobLuaSteps}
if math.min(delayedAt, claimedAt, endedAt) <= now then
  need()
  advance()
end
while at < #args do
  local op = arg()
  if op ~= "settle" then sweep() end
  if not ops[op] then
    need()
    others()
  end
  ops[op]()
end
sweep()
if grew and not paused and redis.call("ZCARD", WAITING) > 0 then
  needGrants()
  offer()
end
end
main()
if seq > firstSeq or token > firstToken then redis.call("HSET", META, "seq", number(seq), "token", number(token)) end
local function isLeft() return redis.call("LLEN", PLAIN) > 0 or redis.call("ZCARD", READY) > 0 end
local sooner = due < math.min(delayedAt, claimedAt, now + ${recheck})
local more = grew and not paused
if (sooner or more) and redis.call("ZCARD", WAITING) > 0 and (sooner or isLeft()) then
  redis.call(publish, start .. ":news", "")
end
return cmsgpack.pack(answers)
`)

/**
 * What stands where in a job: a list packs in a third of the time of a table with names. What is not there is false. Each name is
 * written as its number, as a local costs each function that uses it.
 */
const fields = `
  STATE SEQ READYAT ENQUEUED ATTEMPTS MOST KEEP PRIORITY TOKEN
  KEY HEADERS OWNER FOLLOWED PROGRESS CAUSE PROBLEM KIND RESULT
`.trim().split(/\s+/)
const numbered = (lua: string): string =>
  fields.reduce((text, name, at) => text.replaceAll(`job[${name}]`, `job[${at + 1}]`), lua)
