/** Whose turn comes first in the waiting room. */
export const PRIORITIES = ["interactive", "standard", "batch"] as const;
