import { chaosLaws } from "@heddle/testkit/laws"
import { cluster } from "./chaosSubject.ts"

chaosLaws(cluster, { duration: 3000 })
