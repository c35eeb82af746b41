<?php
require __DIR__ . '/session.php';
?>
<!doctype html>
<html lang="ko">
<meta charset="utf-8">
<title>세션 조회</title>
사용자 이름 : <?= htmlspecialchars($_SESSION['username'] ?? '') ?><br>
사용자 아이디 : <?= htmlspecialchars($_SESSION['userid'] ?? '') ?><br>
<p lang="en"><a href="/user/">Shared session</a>. This page is from PHP.</p>
</html>
