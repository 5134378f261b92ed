internal import OpenInference

/// The page's files, which the compiler puts into the program: nothing is read when it runs.
enum DashboardFiles {
    private static let all: [(path: String, contentType: String, body: [UInt8])] = [
        ("/", "text/html; charset=utf-8", PackageResources.index_html),
        ("/dashboard.css", "text/css; charset=utf-8", PackageResources.dashboard_css),
        ("/dashboard.js", script, PackageResources.dashboard_js),
        ("/dashboard-figures.js", script, PackageResources.dashboard_figures_js),
        ("/dashboard-drawings.js", script, PackageResources.dashboard_drawings_js),
        ("/dashboard-views.js", script, PackageResources.dashboard_views_js),
        ("/dashboard-icon.svg", "image/svg+xml", PackageResources.dashboard_icon_svg),
    ]

    private static let script = "text/javascript; charset=utf-8"

    /// Nothing from elsewhere, no script or style but those files, in no frame. The page asks this server alone.
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
        + "frame-ancestors 'none'"

    /// Open: there is nothing of the cluster in them.
    static func routes() -> [Route] {
        all.map { file in
            var plain = HTTPReply(contentType: file.contentType, body: file.body)
            plain.headers = [
                "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
                "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
                "Vary": "Accept-Encoding",
            ]
            var packed = plain
            packed.body = file.body.withUnsafeBytes { BodyDeflater.encode([$0], .gzip, level: 9) }
            packed.headers["Content-Encoding"] = ContentCoding.gzip.rawValue
            let (reply, small) = (plain, packed)
            return Route(.get, file.path, .open) { request in
                ContentCoding.accepted(request.headers["Accept-Encoding"])?.coding == .gzip ? small : reply
            }
        }
    }
}
