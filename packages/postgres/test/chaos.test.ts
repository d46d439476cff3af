import { chaosLaws } from "@heddle/testkit/laws"
import { subject } from "./chaosSubject.ts"

chaosLaws(subject)
