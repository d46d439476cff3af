import { countDownLatchLaws } from "@heddle/testkit/laws"
import * as SharedKvMemory from "./SharedKvMemory.ts"

countDownLatchLaws("memory", SharedKvMemory.layer)
