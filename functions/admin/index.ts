import { Hono } from "hono";
import { errorResponse, isobarError } from "../../src/shared/http/errors.ts";
import { catalogRoutes } from "./catalog.ts";
import { fleetRoutes } from "./fleet.ts";
import { keyRoutes } from "./keys.ts";
import { routerRoutes } from "./routers.ts";
import { requireAdminToken } from "./token.ts";

const METHODS: Readonly<Record<string, string>> = {
	"/catalog": "GET, HEAD, PUT",
	"/catalog/versions": "GET, HEAD",
	"/catalog/rollback": "POST",
	"/fleet": "GET, HEAD",
	"/keys": "GET, HEAD, POST",
	"/keys/:id": "DELETE",
	"/keys/:id/revoke": "POST",
	"/routers/:id": "GET, HEAD, DELETE",
	"/routers/:id/anchors": "PUT",
};

/** The operator's side: the catalog and the keys. Mounted at `/admin`. Every call needs the secret `ADMIN_TOKEN`. */
export const adminApp = new Hono<{ Bindings: Env }>();

adminApp.use(requireAdminToken);
adminApp.route("/", catalogRoutes);
adminApp.route("/", keyRoutes);
adminApp.route("/", fleetRoutes);
adminApp.route("/", routerRoutes);

// What gets here has matched no route: a known path was asked in a wrong way.
for (const [path, allow] of Object.entries(METHODS)) {
	adminApp.all(path, (c) => {
		const error = isobarError("method_not_allowed", `${c.req.method} is not possible here; use ${allow}`);
		const response = errorResponse(error);
		response.headers.set("allow", allow);
		return response;
	});
}

// A route and not `notFound`, which a mounted app's parent would override.
adminApp.all("*", (c) => errorResponse(isobarError("not_found", `There is nothing at ${c.req.path}`)));
