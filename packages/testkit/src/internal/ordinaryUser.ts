import { readFileSync } from "node:fs"

/**
 * Begins a command with what makes it run as another user when this process is root's: PostgreSQL and PgBouncer refuse to
 * run as root. The other user keeps root's right to pass through folders: the program and its data may
 * lie below folders that only root may enter.
 */
export const asOrdinaryUser = (): ReadonlyArray<string> => {
  if (process.getuid?.() !== 0) return []
  const [user = "65534", group = "65534"] = ordinaryUser()
  return `setpriv --reuid ${user} --regid ${group} --clear-groups ${rights}`.split(" ")
}

// access(2) looks at the right only where a change of user leaves rights alone.
const rights = "--securebits +no_setuid_fixup --inh-caps +dac_override --ambient-caps +dac_override"

const ordinaryUser = (): ReadonlyArray<string> => {
  const users = readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":"))
  const found = users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody")
  return found?.slice(2, 4) ?? []
}
