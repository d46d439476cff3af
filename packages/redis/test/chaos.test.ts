import { chaosLaws } from "@heddle/testkit/laws"
import { redlock, subject } from "./chaosSubject.ts"

chaosLaws(subject)
chaosLaws(redlock)
