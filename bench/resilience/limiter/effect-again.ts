import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"
import { limiter } from "./effect.ts"

export const open: Open = () => limiter((consume) => repeat(consume()))
