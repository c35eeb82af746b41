<?php
session_start();
$name = $_GET['name'] ?? '';
$value = file_get_contents('php://input');

switch ("$_SERVER[REQUEST_METHOD] $_SERVER[DOCUMENT_URI]") {
    case 'GET /session':
        $fields = [];
        foreach (explode(',', $_GET['names']) as $name) {
            if (isset($_SESSION[$name])) {
                $fields[$name] = $_SESSION[$name];
            }
        }
        header('Content-Type: application/json');
        echo json_encode((object) $fields);
        break;
    case 'POST /session':
        session_regenerate_id(true);
        $_SESSION['user'] = $value;
        break;
    case 'POST /set':
        $_SESSION[$name] = $value;
        break;
    case 'POST /remove':
        unset($_SESSION[$name]);
        break;
    case 'POST /add':
        $_SESSION['items'][] = $value;
        break;
    case 'POST /count':
        $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
        break;
    case 'POST /slow':
        usleep($_GET['wait'] * 1000); // session_start() has read the session
        $_SESSION[$name] = $value;
        break;
    case 'POST /renew':
        session_regenerate_id(true);
        break;
    case 'POST /logout': // as PHP's manual shows at session_destroy()
        $_SESSION = [];
        setcookie(session_name(), '', time() - 42000, session_get_cookie_params()['path']);
        session_destroy();
        break;
    default:
        http_response_code(404);
}
