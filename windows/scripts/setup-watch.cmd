@echo off
rem Watches Windows Setup, started by it in the pass windowsPE. What stops Setup
rem shows a message on the screen and waits for ever; here the logs go to the
rem second serial port instead, and the VM is turned off. The argument is the
rem drive of this CD.
setlocal enabledelayedexpansion
set port=\\.\COM2
mode com2: baud=115200 parity=n data=8 stop=1 >nul 2>&1
>%port% echo image-build: Setup runs

rem Setup logs into the RAM disk, and beside Windows as soon as there is a disk.
set same=0
set before=
:look
ping -n 6 127.0.0.1 >nul 2>&1
for %%d in (C D E F G H) do (
    rem Runs after the restart, before Setup shows what stopped it.
    if exist "%%d:\Windows\System32\ntoskrnl.exe" if not exist "%%d:\Windows\Setup\Scripts\ErrorHandler.cmd" (
        mkdir "%%d:\Windows\Setup\Scripts" >nul 2>&1
        copy /y "%1\setup-error.cmd" "%%d:\Windows\Setup\Scripts\ErrorHandler.cmd" >nul 2>&1
    )
)
set errors=0
set now=
for %%f in ("X:\Windows\Panther\setuperr.log" "C:\$WINDOWS.~BT\Sources\Panther\setuperr.log") do (
    if exist %%f if %%~zf gtr 3 set errors=1
    if exist %%f set now=!now! %%~zf
)
for %%f in ("X:\Windows\Panther\setupact.log" "C:\$WINDOWS.~BT\Sources\Panther\setupact.log") do (
    if exist %%f set now=!now! %%~zf
)
rem Copying files fills the disk without a word in the logs.
rem Megabytes count: what is noted meanwhile is less.
set free=0000000
for /f "tokens=3" %%s in ('dir /-c C:\ 2^>nul ^| find "free"') do set free=%%s
set now=!now! !free:~0,-6!
if "!now!"=="!before!" (set /a same+=1) else (set same=0)
set before=!now!
rem An error, and for 30 seconds neither a line in a log nor a megabyte on the disk.
if !errors!==1 if !same! geq 6 goto failed
goto look

:failed
>%port% echo image-build: Setup has stopped
for %%f in ("X:\Windows\Panther\setuperr.log" "C:\$WINDOWS.~BT\Sources\Panther\setuperr.log") do call :send %%f
for %%f in ("X:\Windows\Panther\setupact.log" "C:\$WINDOWS.~BT\Sources\Panther\setupact.log") do call :send %%f
>%port% echo image-build: FAILED
wpeutil shutdown
exit /b 1

rem The last 60 lines of a log. The port blocks until they are sent. What a line
rem holds is no command: delayed expansion would take exclamation marks out.
:send
if not exist %1 exit /b 0
>%port% echo --- %~1
set lines=0
for /f "delims=" %%l in ('type %1') do set /a lines+=1
set /a skip=lines-60
set from=
if %skip% gtr 0 set from=skip=%skip%
setlocal disabledelayedexpansion
for /f "%from% delims=" %%l in ('type %1') do >%port% echo.%%l
exit /b 0
