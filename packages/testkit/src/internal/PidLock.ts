import { readlinkSync, rmSync, symlinkSync } from "node:fs"

/** Whether a process with this id exists; a process of another user counts. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

/**
 * Takes the lock at `path` for this process, or answers `false`. A lock whose process is gone is taken over.
 *
 * The lock is a symbolic link that points at a process id: made in one step, it is never seen half written.
 */
export const tryLock = (path: string): boolean => {
  const owner = ownerOf(path)
  if (owner !== undefined) {
    if (isAlive(owner)) return false
    rmSync(path, { force: true })
  }
  try {
    symlinkSync(String(process.pid), path)
    return true
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false
    throw error
  }
}

/** Gives back a lock that {@link tryLock} took. */
export const unlock = (path: string): void => rmSync(path, { force: true })

const ownerOf = (path: string): number | undefined => {
  try {
    return Number(readlinkSync(path))
  } catch {
    return undefined
  }
}
