/** How far a prompt goes from the operator: to hardware of its own, to a provider with whom there is a contract about what it may
 *  do with it, to anybody. A pool that says nothing is taken as the last. */
export const PRIVACY_ZONES = ["own", "contract", "public"] as const;
export type PrivacyZone = (typeof PRIVACY_ZONES)[number];

/** Models that a router, or a request, may name. */
export const ROUTER_MODELS_MAX = 64;

/** The router that `auto` names, and what those go by that requests make up from lists of models: no router of a catalog. */
export const DEFAULT_ROUTER = "default";
export const LIST_ROUTER = "list";
